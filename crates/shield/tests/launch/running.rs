//! A shield that runs, and what came of it.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr};

use casemate_sys::send_signal;
use rustix::process::Pid;

/// A shield that runs. Its standard output and error, and the workload's, are one.
pub struct Running {
    child: Child,
    pipe: Option<BufReader<ChildStderr>>,
    output: String,
    /// Number of the socket that leads to the platform.
    platform: u64,
}

impl Running {
    pub fn new(mut child: Child, platform: u64) -> Self {
        let pipe = child.stderr.take().map(BufReader::new);
        Self {
            child,
            pipe,
            output: String::new(),
            platform,
        }
    }

    /// Reads until a line holds `word`.
    #[track_caller]
    pub fn wait_for(&mut self, word: &str) {
        let pipe = self.pipe.as_mut().expect("output is piped");
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            let got = pipe.read_line(&mut line).expect("text");
            assert!(got > 0, "it ended before it said {word:?}: {}", self.output);
            self.output.push_str(&line);
        }
    }

    /// The supervisor.
    pub fn supervisor(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a number")).expect("not 0")
    }

    /// PID 1 of the workload's namespace, by its number out here, as soon as it is there.
    pub fn pid_1(&self) -> Pid {
        loop {
            if let Some(child) = child_of(self.supervisor()) {
                return child;
            }
            std::thread::yield_now();
        }
    }

    /// The workload, once it runs.
    pub fn workload(&self) -> Pid {
        child_of(self.pid_1()).expect("it runs")
    }

    /// Whether a process holds the socket that leads to the platform (proc_pid_fd(5)).
    pub fn can_ask_the_platform(&self, process: Pid) -> bool {
        let descriptors = format!("/proc/{}/fd", process.as_raw_nonzero());
        let socket = PathBuf::from(format!("socket:[{}]", self.platform));
        let links = std::fs::read_dir(descriptors).expect("a process").flatten();
        links
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .any(|link| link == socket)
    }

    pub fn signal(&self, signal: i32) {
        send_signal(self.supervisor(), signal).expect("sent");
    }

    pub fn end(mut self) -> Outcome {
        let mut rest = Vec::new();
        if let Some(mut pipe) = self.pipe.take() {
            // Ends when the last process that holds the other end is gone.
            pipe.read_to_end(&mut rest).expect("read");
        }
        self.output.push_str(&String::from_utf8_lossy(&rest));
        Outcome {
            status: self.child.wait().expect("ended").code(),
            output: self.output,
        }
    }
}

/// The first process whose parent this is (proc_pid_stat(5), field 4).
fn child_of(parent: Pid) -> Option<Pid> {
    let parent = parent.as_raw_nonzero().to_string();
    let is_child = |id: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        after_name.split(' ').nth(1) == Some(parent.as_str())
    };
    let names = std::fs::read_dir("/proc").expect("/proc").flatten();
    let mut ids = names.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    ids.find(is_child).and_then(Pid::from_raw)
}

/// What came of a launch.
pub struct Outcome {
    pub status: Option<i32>,
    pub output: String,
}

impl Outcome {
    #[track_caller]
    pub fn ended_with(self, status: i32, words: &str) -> Self {
        assert_eq!(self.status, Some(status), "{}", self.output);
        self.says(words)
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.output.contains(words), "{words:?} is not in {:?}", self.output);
        self
    }

    #[track_caller]
    pub fn never_says(self, words: &str) -> Self {
        assert!(!self.output.contains(words), "{words:?} is in {:?}", self.output);
        self
    }

    #[track_caller]
    pub fn says_times(self, count: usize, words: &str) -> Self {
        assert_eq!(self.output.matches(words).count(), count, "{}", self.output);
        self
    }
}
