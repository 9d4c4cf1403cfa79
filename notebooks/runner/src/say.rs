//! `println!` and `eprintln!` that nobody has to hear: the standard ones panic when the other end of a pipe is closed or a disk is full,
//! in the middle of the work. What is output and nothing else is written with [`out`].
use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

macro_rules! println {
    ($($text:tt)*) => {
        { let _ = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($text)*))); }
    };
}

macro_rules! eprintln {
    ($($text:tt)*) => {
        { let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*))); }
    };
}

/// Writes what a command is for. A reader that has had enough (`| head`) ends it quietly; a full disk is an error.
pub fn out(text: &str) -> anyhow::Result<ExitCode> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
