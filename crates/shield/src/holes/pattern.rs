//! Patterns of holes (spec/manifest.md, "Patterns"): a small language that Python and Rust read exactly alike.
//!
//! A pattern is read here to its last character, and written anew in the few forms that every engine of regular
//! expressions takes the same way; `regex-lite` (linear time) then does the matching. The twin of this file is
//! `src/casemate/wire/patterns.py`; both are held to `spec/vectors/patterns.json`, reasons included.

use std::fmt::Write;

use regex_lite::{Regex, RegexBuilder};

use crate::manifest::is_plain;

/// Longest pattern, in characters: enough for a URL, too short for a puzzle.
pub const MAX_PATTERN: usize = 256;
/// Of a counted repetition; longer values are for `*` and `+`.
const MAX_COUNT: usize = 1000;
/// Groups within groups.
const MAX_GROUPS: usize = 8;
/// Characters, dots and classes after counts are written out: bounds the work of matching.
const MAX_WEIGHT: usize = 1024;
/// Most memory of a compiled pattern; [`MAX_WEIGHT`] is what keeps it below.
const MAX_COMPILED_BYTES: usize = 16 * 1024 * 1024;

const ANYTHING: &str = r"[^\x{a}]";
const EMPTY: &str = "is empty or longer than 256 characters";
const HIDDEN: &str = r"holds a character that does not show; write \t, \n or \r";
const BRACKET: &str = "has a bracket without its other half";
const LARGE: &str = "is too large: more than 1024 characters with its counts written out";
const NESTED: &str = "nests groups deeper than 8";
const NOTHING: &str = "has an empty group or alternative";
const ANCHOR: &str = "has ^ or $, but a value always matches as a whole";
const REPEATED: &str = "repeats nothing, or what is repeated already";
const EXTENSION: &str = "has look-around, flags or a named group";
const COUNT: &str = "has a count that is not {n}, {n,} or {n,m} with n ≤ m and 1 ≤ m ≤ 1000";
const CLASS: &str = "has a class that is empty or does not end";
const RANGE: &str = "has a range that does not go from one character to a later one";
const MEMBER: &str = r"has [ or - inside a class; write \[ and \-";
const ESCAPE: &str = r"has a \ before what is neither punctuation nor one of d, w, s, t, n, r";

/// A regular expression of the documented language, which a whole value must match.
#[derive(Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Reads `source`.
    ///
    /// # Errors
    /// What is wrong with it, to be read after the words "the pattern".
    pub fn new(source: &str) -> Result<Self, &'static str> {
        let plain = spell(source)?;
        let whole = RegexBuilder::new(&format!(r"\A(?:{plain})\z"))
            .size_limit(MAX_COMPILED_BYTES)
            .build();
        whole.map(Self).map_err(|_| LARGE)
    }

    /// Whether all of `value` matches.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        self.0.is_match(value)
    }
}

/// `source` in the spelling for an engine of regular expressions.
fn spell(source: &str) -> Result<String, &'static str> {
    let text: Vec<char> = source.chars().collect();
    if text.is_empty() || text.len() > MAX_PATTERN {
        return Err(EMPTY);
    }
    if !is_plain(source) {
        return Err(HIDDEN);
    }
    let mut reader = Reader { text, at: 0 };
    let (plain, weight) = reader.alternatives(0)?;
    if reader.at < reader.text.len() {
        return Err(BRACKET);
    }
    if weight > MAX_WEIGHT {
        return Err(LARGE);
    }
    Ok(plain)
}

/// A spelling and what it weighs.
type Piece = (String, usize);

/// One character, or the inside of a set like `\d`.
#[derive(Clone, Copy)]
enum Member {
    One(char),
    Set(&'static str),
}

impl Member {
    fn spell(self) -> String {
        match self {
            Self::One(c) => literal(c),
            Self::Set(inside) => inside.to_owned(),
        }
    }
}

/// Recursive descent over the characters of a pattern.
struct Reader {
    text: Vec<char>,
    at: usize,
}

impl Reader {
    fn alternatives(&mut self, depth: usize) -> Result<Piece, &'static str> {
        if depth > MAX_GROUPS {
            return Err(NESTED);
        }
        let (mut plain, mut total) = self.branch(depth)?;
        while self.take('|') {
            let (branch, weight) = self.branch(depth)?;
            plain.push('|');
            plain.push_str(&branch);
            total += weight;
        }
        Ok((plain, total))
    }

    fn branch(&mut self, depth: usize) -> Result<Piece, &'static str> {
        let (mut branch, mut total) = (String::new(), 0_usize);
        while self.peek(0).is_some_and(|c| c != '|' && c != ')') {
            let (atom, weight) = self.atom(depth)?;
            let (repeat, times) = self.repeat()?;
            branch.push_str(&atom);
            branch.push_str(&repeat);
            // Eight groups of a thousand repetitions each are more than a number holds.
            total = total.saturating_add(weight.saturating_mul(times));
        }
        if branch.is_empty() {
            Err(NOTHING)
        } else {
            Ok((branch, total))
        }
    }

    fn atom(&mut self, depth: usize) -> Result<Piece, &'static str> {
        let spelling = match self.next().ok_or(NOTHING)? {
            '(' => return self.group(depth),
            '[' => self.class()?,
            '.' => ANYTHING.to_owned(),
            '\\' => match self.escape()? {
                Member::One(c) => literal(c),
                Member::Set(inside) => format!("[{inside}]"),
            },
            '^' | '$' => return Err(ANCHOR),
            '?' | '*' | '+' | '{' => return Err(REPEATED),
            ']' | '}' => return Err(BRACKET),
            c => literal(c),
        };
        Ok((spelling, 1))
    }

    fn group(&mut self, depth: usize) -> Result<Piece, &'static str> {
        if self.take('?') && !self.take(':') {
            return Err(EXTENSION);
        }
        let (inner, weight) = self.alternatives(depth + 1)?;
        if !self.take(')') {
            return Err(BRACKET);
        }
        Ok((format!("(?:{inner})"), weight))
    }

    /// The spelling of a repetition (often none), and how often it writes out at least what it repeats.
    fn repeat(&mut self) -> Result<Piece, &'static str> {
        for sign in ['?', '*', '+'] {
            if self.take(sign) {
                return Ok((sign.to_string(), 1));
            }
        }
        if !self.take('{') {
            return Ok((String::new(), 1));
        }
        let least = self.number().ok_or(COUNT)?;
        let comma = self.take(',');
        let written = if comma && self.peek(0) != Some('}') {
            Some(self.number().ok_or(COUNT)?)
        } else {
            None
        };
        let most = written.unwrap_or(if comma { least.max(1) } else { least });
        if !self.take('}') || most < least || !(1..=MAX_COUNT).contains(&most) {
            return Err(COUNT);
        }
        let upper = written.map(|most| most.to_string()).unwrap_or_default();
        Ok((format!("{{{least}{}{upper}}}", if comma { "," } else { "" }), most))
    }

    /// Decimal without leading zeros, at most four digits.
    fn number(&mut self) -> Option<usize> {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let digits: String = self.text[start..self.at].iter().collect();
        let plain = digits.len() <= 4 && (digits == "0" || !digits.starts_with('0'));
        digits.parse().ok().filter(|_| plain)
    }

    fn class(&mut self) -> Result<String, &'static str> {
        let mut class = String::from(if self.take('^') { "[^" } else { "[" });
        let mut first = true;
        while !self.take(']') {
            class.push_str(&self.item(first)?);
            first = false;
        }
        class.push(']');
        if first { Err(CLASS) } else { Ok(class) }
    }

    fn item(&mut self, first: bool) -> Result<String, &'static str> {
        let low = match self.member(first)? {
            Member::One(low) if self.peek(0) == Some('-') && self.peek(1) != Some(']') => low,
            alone => return Ok(alone.spell()),
        };
        self.at += 1;
        match self.member(false)? {
            Member::One(high) if low <= high => Ok(format!("{}-{}", literal(low), literal(high))),
            _ => Err(RANGE),
        }
    }

    fn member(&mut self, first: bool) -> Result<Member, &'static str> {
        let character = self.next().ok_or(CLASS)?;
        let last = self.peek(0) == Some(']');
        match character {
            '\\' => self.escape(),
            '[' => Err(MEMBER),
            '-' if !first && !last => Err(MEMBER),
            c => Ok(Member::One(c)),
        }
    }

    fn escape(&mut self) -> Result<Member, &'static str> {
        Ok(match self.next().ok_or(ESCAPE)? {
            c if c.is_ascii_punctuation() => Member::One(c),
            't' => Member::One('\t'),
            'n' => Member::One('\n'),
            'r' => Member::One('\r'),
            'd' => Member::Set("0-9"),
            'w' => Member::Set("0-9A-Za-z_"),
            // That of C: tab, line feed, vertical tab, form feed, carriage return, space.
            's' => Member::Set(r"\x{9}-\x{d}\x{20}"),
            _ => return Err(ESCAPE),
        })
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let found = self.peek(0)?;
        self.at += 1;
        Some(found)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek(0) == Some(wanted);
        self.at += usize::from(found);
        found
    }
}

fn literal(character: char) -> String {
    if character.is_ascii_alphanumeric() {
        return character.to_string();
    }
    let mut spelled = String::new();
    // Writing to a string cannot fail.
    let _ = write!(spelled, r"\x{{{:x}}}", u32::from(character));
    spelled
}
