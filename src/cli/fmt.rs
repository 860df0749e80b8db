//! `fmt`: rule files in the one form.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use crate::cli::{Exit, output};
use crate::diagnostic::{Format, SourceMap, render};
use crate::lang;
use crate::ruleset;

/// Write rule files in their one form, comments kept
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done; 1 with --check, a file would change; 2 a file cannot be parsed; 3 it cannot be read or written."
)]
pub(super) struct Arguments {
    /// Rule files, and folders of them; `-` formats standard input to standard output
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Change nothing; name the files that would change
    #[arg(long)]
    check: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.paths == [Path::new("-")] {
        return standard_input(arguments.check);
    }
    let mut exit = Exit::Fine;
    for path in ruleset::find(&arguments.paths)? {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let Some(formatted) = format(&path.display().to_string(), &text) else {
            exit = Exit::BadRules;
            continue;
        };
        if formatted == text {
            continue;
        }
        if arguments.check {
            output::print(&format!("{}\n", path.display()))?;
            exit = if exit == Exit::Fine { Exit::Findings } else { exit };
        } else {
            replace(&path, &formatted)?;
        }
    }
    Ok(exit)
}

fn standard_input(check: bool) -> anyhow::Result<Exit> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
    let Some(formatted) = format("<stdin>", &text) else { return Ok(Exit::BadRules) };
    if check {
        return Ok(if formatted == text { Exit::Fine } else { Exit::Findings });
    }
    output::print(&formatted)?;
    Ok(Exit::Fine)
}

/// The text in the one form; none where it cannot be parsed, which is told.
fn format(name: &str, text: &str) -> Option<String> {
    let mut sources = SourceMap::default();
    let id = sources.add(name, text);
    let (file, diagnostics) = lang::parse(id, text);
    if diagnostics.is_empty() {
        return Some(lang::fmt::format(&file, text));
    }
    let format = Format::Full { color: output::color(&io::stderr()) };
    output::complain(format_args!("{}", render(&diagnostics, &sources, format)));
    None
}

/// Replaces a file at once: a crash leaves the old text or the new one.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let aside = path.with_extension("rules.tmp");
    let permissions = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.permissions();
    fs::write(&aside, text).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::set_permissions(&aside, permissions).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, path).with_context(|| format!("cannot write {}", path.display()))
}
