//! Workloads whose root is a sealed image. Needs root, FUSE and busybox.
#![allow(clippy::unwrap_used, reason = "tests")]

mod launch;

use std::fs;
use std::os::unix::fs::symlink;

use casemate_testing::b64u;
use launch::layers::{Layers, released};
use serde_json::json;

#[test]
fn a_program_of_the_image_runs_and_sees_the_image_and_nothing_else() {
    let script = "busybox id -u; busybox ls /; busybox cat /etc/hostname; busybox grep -c localhost /etc/hosts; \
                  busybox mount | busybox grep -c casemate; busybox cat /greeting";
    let layers = Layers::encrypted().with_busybox();
    let layers = layers.with(|root| fs::write(root.join("greeting"), "good day\n").unwrap());
    let outcome = layers.launch(script).run().ended_with(0, "1000\n");
    outcome.says("bin\ndev\netc\ngreeting\nproc\nrun\ntmp\nvar\ncasemate\n2\n1\ngood day\n");
}

#[test]
fn authenticated_layers_need_no_key() {
    let layers = Layers::authenticated().with_busybox();
    layers.launch("echo ran").run().ended_with(0, "ran\n");
}

#[test]
fn upper_layers_replace_and_take_away() {
    let layers = Layers::encrypted()
        .with(|root| {
            fs::create_dir_all(root.join("a/b")).unwrap();
            fs::write(root.join("a/b/old"), "old").unwrap();
            fs::write(root.join("a/gone"), "gone").unwrap();
            fs::write(root.join("a/kept"), "kept").unwrap();
            fs::write(root.join("a/twice"), "below").unwrap();
        })
        .with_busybox()
        .with(|root| {
            fs::create_dir_all(root.join("a/b")).unwrap();
            fs::write(root.join("a/b/.wh..wh..opq"), "").unwrap();
            fs::write(root.join("a/.wh.gone"), "").unwrap();
            fs::write(root.join("a/twice"), "above").unwrap();
        });
    let script = "busybox ls -A /a /a/b; busybox cat /a/kept /a/twice";
    let outcome = layers.launch(script).run().ended_with(0, "keptabove");
    outcome.says("/a:\nb\nkept\ntwice\n").says("/a/b:\nkept");
}

#[test]
fn an_altered_layer_is_refused_or_its_bytes_are_an_error() {
    let content: String = (0..20_000).map(|line| format!("line {line}\n")).collect();
    let layers = Layers::encrypted().with_busybox().with(|root| {
        fs::write(root.join("data"), &content).unwrap();
    });
    let file = &layers.layers[1].file;
    let whole = fs::read(file).unwrap();
    let launch = layers.launch("busybox md5sum /data && busybox tail -n 1 /data");
    launch.run().ended_with(0, "line 19999\n");
    let step = whole.len() / 24;
    for at in (0..24).map(|part| part * step + 700) {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        fs::write(file, &altered).unwrap();
        let outcome = launch.run();
        // What is altered may be what nobody reads: then nothing is wrong.
        if outcome.status != Some(0) {
            let words = [
                "Input/output error",
                "is not what its root binds",
                "no sealed layer",
                "no layer of",
            ];
            assert!(
                words.iter().any(|words| outcome.output.contains(words)),
                "{at}: {}",
                outcome.output
            );
            outcome.never_says("line 19999");
        }
    }
    fs::write(file, &whole[..whole.len() - 512 * 40]).unwrap();
    let outcome = launch.run();
    assert_ne!(outcome.status, Some(0), "{}", outcome.output);
}

#[test]
fn a_layer_that_is_not_the_manifests_is_refused() {
    let layers = Layers::encrypted().with_busybox().with(|root| {
        fs::write(root.join("data"), "x").unwrap();
    });
    let [below, above] = [0, 1].map(|layer| &layers.layers[layer]);
    let mut launch = layers.launch("echo ran");
    launch.layers = json!({&below.root: &above.file, &above.root: &below.file});
    launch
        .run()
        .ended_with(65, "not of the one that the manifest names")
        .never_says("ran\n");
    launch.layers = json!({&below.root: &below.file, &above.root: &below.file});
    launch
        .run()
        .ended_with(65, "not what its root binds")
        .never_says("ran\n");
    launch.layers = json!({&below.root: &below.file, &above.root: "/no/such/file"});
    launch.run().ended_with(65, "cannot be opened").never_says("ran\n");
    launch.layers = json!({&below.root: &below.file, &above.root: "/dev/zero"});
    launch.run().ended_with(65, "no regular file").never_says("ran\n");
    launch.layers = json!({&below.root: &below.file, &above.root: "/bin/busybox"});
    launch
        .run()
        .ended_with(65, "no layer of a protected image")
        .never_says("ran\n");
    launch.layers = json!({&below.root: &below.file});
    launch.run().ended_with(64, "got no folder or file").never_says("ran\n");
}

#[test]
fn layers_in_another_order_are_another_workload() {
    let layers = Layers::encrypted().with_busybox().with(|root| {
        fs::write(root.join("data"), "x").unwrap();
    });
    let mut launch = layers.launch("echo ran");
    launch.host_data = Some(launch.digest());
    let roots = launch.manifest["image"]["layers"].as_array_mut().unwrap();
    roots.reverse();
    launch
        .run()
        .ended_with(65, "the platform started this domain for")
        .never_says("ran\n");
}

#[test]
fn a_key_is_released_exactly_for_an_encrypted_image() {
    let layers = Layers::encrypted().with_busybox();
    let (launch, mut configuration) = layers.shell("echo ran");
    configuration["image_key"] = json!(b64u([8; 32]));
    let outcome = released(launch, configuration).run();
    outcome.ended_with(65, "not what its root binds").never_says("ran\n");
    let (launch, mut configuration) = layers.shell("echo ran");
    configuration.as_object_mut().unwrap().remove("image_key");
    let outcome = released(launch, configuration).run();
    outcome
        .ended_with(69, "no key for an encrypted image")
        .never_says("ran\n");

    let layers = Layers::authenticated().with_busybox();
    let (launch, mut configuration) = layers.shell("echo ran");
    configuration["image_key"] = json!(b64u([9; 32]));
    let outcome = released(launch, configuration).run();
    outcome
        .ended_with(69, "a key for an image that is not encrypted")
        .never_says("ran\n");
}

#[test]
fn layers_are_protected_as_the_manifest_says() {
    let layers = Layers::authenticated().with_busybox();
    let (mut launch, mut configuration) = layers.shell("echo ran");
    launch.manifest["image"]["protection"] = json!("encrypted");
    configuration["image_key"] = json!(b64u([9; 32]));
    let outcome = released(launch, configuration).run();
    outcome.ended_with(65, "protected in another way").never_says("ran\n");
}

#[test]
fn an_image_cannot_be_changed_unless_the_manifest_says_so() {
    let script = "busybox touch /x; echo x > /etc/hosts; busybox rm /bin/sh; busybox mkdir /proc/1/x";
    let layers = Layers::encrypted().with_busybox();
    let outcome = layers.launch(script).with_uid_0().run();
    outcome.says_times(3, "Read-only file system");
}

#[test]
fn what_is_changed_stays_in_memory_within_its_size() {
    let layers = Layers::encrypted().with_busybox().with(|root| {
        fs::create_dir(root.join("d")).unwrap();
        fs::write(root.join("d/f"), "old\n").unwrap();
    });
    let script = "echo new > /d/f; busybox cat /d/f; busybox rm -r /etc && busybox mkdir /etc && busybox ls -A /etc; \
                  busybox mv /d /e && busybox cat /e/f; busybox dd if=/dev/zero of=/big bs=4096 count=100";
    let before = fs::read(&layers.layers[1].file).unwrap();
    let mut launch = layers.launch(script).with_uid_0();
    launch.manifest["image"]["writable"] = json!(256 * 1024);
    launch.run().ended_with(1, "new\nnew\n").says("No space left on device");
    assert!(fs::read(&layers.layers[1].file).unwrap() == before);
    launch.manifest["entrypoint"] = json!(["/bin/sh", "-c", "busybox cat /d/f"]);
    launch.run().ended_with(0, "old\n");
}

#[test]
fn places_and_files_follow_links_of_the_image_and_stay_in_it() {
    let layers = Layers::encrypted().with_busybox().with(|root| {
        fs::create_dir(root.join("opt")).unwrap();
        symlink("/opt", root.join("data")).unwrap();
        symlink("../../..", root.join("up")).unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("given"), "of the host\n").unwrap();
    let script = "busybox cat /run/keys/a /opt/in/given; busybox grep -c ' /w ' /proc/mounts; \
                  busybox stat -c '%a %u:%g' /run/keys/a; echo x > /up/w/y && busybox cat /w/y";
    let (mut launch, mut configuration) = layers.shell(script);
    launch.manifest["files"] = json!(["/run/keys/a"]);
    launch.manifest["mounts"] = json!([{"path": "/data/in", "access": "read"}]);
    launch.manifest["writable"] = json!([{"path": "/up/w", "mode": "1777", "size": 65536}]);
    launch.mounts = json!({"/data/in": folder.path()});
    configuration["files"] = json!([{"path": "/run/keys/a", "content": b64u("key\n"), "mode": "0400"}]);
    let outcome = released(launch, configuration).run();
    outcome.ended_with(0, "key\nof the host\n1\n400 1000:1000\nx\n");
}

#[test]
fn a_place_that_leads_into_the_hosts_folder_is_refused() {
    let layers = Layers::encrypted().with_busybox().with(|root| {
        fs::create_dir(root.join("host")).unwrap();
        symlink("/host", root.join("trap")).unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    let (mut launch, configuration) = layers.shell("echo ran");
    launch.manifest["mounts"] = json!([{"path": "/host", "access": "write"}]);
    launch.manifest["writable"] = json!([{"path": "/trap/w", "mode": "1777", "size": 65536}]);
    launch.mounts = json!({"/host": folder.path()});
    let outcome = released(launch, configuration).run();
    outcome
        .ended_with(70, "/trap/w")
        .says("it leads into another place")
        .never_says("ran\n");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn a_file_of_the_policy_replaces_nothing_and_leads_nowhere_else() {
    let layers = Layers::encrypted().with_busybox().with(|root| {
        fs::create_dir(root.join("run")).unwrap();
        fs::write(root.join("run/taken"), "of the image").unwrap();
        symlink("/host", root.join("run/trap")).unwrap();
    });
    let folder = tempfile::tempdir().unwrap();
    for (path, words) in [
        ("/run/taken", "something already"),
        ("/run/trap/key", "leads into another place"),
    ] {
        let (mut launch, mut configuration) = layers.shell("echo ran");
        launch.manifest["files"] = json!([path]);
        launch.manifest["mounts"] = json!([{"path": "/host", "access": "write"}]);
        launch.mounts = json!({"/host": folder.path()});
        configuration["files"] = json!([{"path": path, "content": b64u("key\n"), "mode": "0400"}]);
        let outcome = released(launch, configuration).run();
        outcome.ended_with(70, "/run/t").says(words).never_says("ran\n");
    }
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn names_of_the_machine_are_the_images_where_it_has_them() {
    let layers = Layers::encrypted().with_busybox().with(|root| {
        fs::create_dir(root.join("etc")).unwrap();
        fs::write(root.join("etc/hosts"), "10.0.0.1 db\n").unwrap();
        fs::write(root.join("etc/hostname"), "").unwrap();
    });
    let script = "busybox cat /etc/hosts /etc/hostname; busybox hostname; busybox ls /etc";
    let outcome = layers.launch(script).run();
    outcome.ended_with(0, "10.0.0.1 db\ncasemate\ncasemate\nhostname\nhosts\n");
}

#[test]
fn a_place_of_the_shield_that_is_a_link_is_refused() {
    let layers = Layers::encrypted().with_busybox().with(|root| {
        symlink("/tmp", root.join("dev")).unwrap();
    });
    let outcome = layers.launch("echo ran").run();
    outcome.ended_with(70, "/dev cannot be made").never_says("ran\n");
}

#[test]
fn without_privileges_an_image_runs_just_the_same() {
    let layers = Layers::encrypted().with_busybox().with(|root| {
        fs::write(root.join("data"), "content\n").unwrap();
    });
    let script =
        "busybox id -u; busybox cat /data; echo new > /data; busybox cat /data; busybox stat -c %u /bin/busybox";
    let mut launch = layers.launch(script).unprivileged();
    launch.manifest["image"]["writable"] = json!(1 << 20);
    let outcome = launch.run();
    if outcome.output.contains("the kernel gives no namespaces") || outcome.output.contains("/dev/fuse") {
        eprintln!("skipped: {}", outcome.output);
        return;
    }
    outcome.ended_with(0, "1000\ncontent\nnew\n1000\n");
    let mut launch = layers.launch("busybox touch /x").unprivileged();
    launch.manifest["user"] = json!({"uid": 0, "gid": 0});
    launch.run().ended_with(1, "Read-only file system");
}
