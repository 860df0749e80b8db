//! Inputs made of others: bits turned, bytes cut, repeated and exchanged, and words put in that mean something
//! somewhere. The same seed gives the same inputs.

/// Longer inputs say nothing that shorter ones do not.
const BYTES_MAX: usize = 4_096;

/// What has a meaning in rules, JSON, TOML, HTTP, mails or shells, and what breaks lines and numbers.
const WORDS: [&[u8]; 48] = [
    b"\"",
    b"'",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"(",
    b")",
    b":",
    b",",
    b".",
    b"=",
    b"#",
    b"\r\n",
    b"\n",
    b"\r\nBcc: a@b.c\r\n",
    b"\r\n\r\n",
    b"\0",
    b"\x1b[2J",
    "\u{2028}".as_bytes(),
    "\u{202e}".as_bytes(),
    b"\xff\xfe",
    b"\xc3",
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"0.1e-400",
    b"<script>",
    b"&amp;",
    b"${env:HOME}",
    b"${",
    b" where ",
    b" within 1 ms",
    b" then no ",
    b" not ",
    b" is missing",
    b" over 1 hour > ",
    b"for each ",
    b"rule r\n",
    b"alert high \"{",
    b"[[source]]\n",
    b"HTTP/1.1\r\n",
];

/// Makes inputs without end.
#[derive(Clone, Debug)]
pub struct Mutator {
    seeds: Vec<Vec<u8>>,
    state: u64,
}

impl Mutator {
    /// Of these seeds; at least one.
    pub fn new(seeds: &[Vec<u8>], seed: u64) -> Mutator {
        assert!(!seeds.is_empty(), "there is something to begin with");
        Mutator { seeds: seeds.to_vec(), state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 }
    }

    /// The next input: a seed after one to eight changes.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        if input.len() > BYTES_MAX {
            // A window of a long one, so that all of it comes to be looked at.
            let begin = self.below(input.len() - BYTES_MAX);
            input = input[begin..begin + BYTES_MAX].to_vec();
        }
        for _ in 0..=self.below(8) {
            self.change(&mut input);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.below(input.len() + 1);
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.byte(),
            2 => input.insert(at, self.byte()),
            3 => drop(input.drain(at..(at + 1 + self.below(16)).min(input.len()).max(at))),
            4 => {
                let end = (at + 1 + self.below(64)).min(input.len());
                let part = input[at..end].to_vec();
                let to = self.below(input.len() + 1);
                input.splice(to..to, part);
            }
            5 => {
                let other = self.seed();
                let from = self.below(other.len() + 1);
                let end = (from + 1 + self.below(128)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
            6 => input.truncate(at),
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(at..at, word.iter().copied());
            }
        }
    }

    fn seed(&mut self) -> Vec<u8> {
        let at = self.below(self.seeds.len());
        self.seeds[at].clone()
    }

    fn byte(&mut self) -> u8 {
        self.random().to_le_bytes()[0]
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.random() % (n.max(1) as u64)).unwrap_or(0)
    }

    /// The generator called xorshift64*.
    fn random(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 8
    }
}
