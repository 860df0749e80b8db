//! The program from outside: arguments, files and pipes in; exit codes, standard output and standard error out.

mod check;
mod coverage;
mod explain;
mod feed;
mod fmt;
mod help;
mod infer;
mod replay;
mod shipped;
mod test;
mod topics;
mod why;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// How a call ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("the program writes UTF-8");
        Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Ran {
    /// This, if it ended with an exit code.
    #[track_caller]
    fn expect(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }
}

/// The program with some arguments, in the root of the repository.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn tripline(arguments: &[&str]) -> Ran {
    command(arguments).output().expect("the program runs").into()
}

/// The program with a text on standard input.
fn tripline_reading(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    std::thread::scope(|scope| {
        // It may refuse the rules and end before it has read everything.
        scope.spawn(move || drop(stdin.write_all(input)));
        child.wait_with_output().expect("it ends").into()
    })
}

/// A folder that is removed at the end of a test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder for the test"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path as an argument.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("writable");
        argument(&path)
    }

    /// A text of the program, with the folder's name left out.
    fn without(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn argument(path: &Path) -> String {
    path.to_str().expect("test folders have plain names").to_owned()
}

/// A rule file without problems, in its one form.
const GOOD: &str = "event login user_id text

rule any_login
  for each user_id
  on every login
  alert low \"{user_id}\"
";

/// A rule file with one error.
const BAD: &str = "event login user_id text

rule any_login
  for each user
  on every login
  alert low
";
