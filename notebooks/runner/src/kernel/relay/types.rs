//! The trap of changed types: a kernel that runs rebuilds `vae_core` after an edit, but its variables keep the old layout,
//! and the compiler, which sees the same names, does not notice. So the definitions of all types are compared before a
//! cell, and a cell that would read old variables as new types is refused.
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Item, TraitItem};

use super::{failure::Failure, log::log};

/// Size and time of each source file: cheap to take before every cell.
type Stamps = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;
/// Each type's definition.
type Definitions = BTreeMap<String, String>;

/// What the crate was when the kernel loaded it.
struct Loaded {
    stamps: Stamps,
    definitions: Definitions,
}

impl Loaded {
    fn now(crate_dir: &Path) -> Option<Self> {
        Some(Self { stamps: stamps(crate_dir).ok()?, definitions: definitions(crate_dir).ok()? })
    }
}

/// Watches the types of one crate.
pub struct Types {
    crate_dir: PathBuf,
    loaded: Option<Loaded>,
    candidate: Option<Loaded>,
    rebase: bool,
}

impl Types {
    /// The crate in `crate_dir`, not yet loaded.
    pub fn new(crate_dir: PathBuf) -> Self {
        Self { crate_dir, loaded: None, candidate: None, rebase: false }
    }

    /// The crate, loaded from now on.
    pub fn preloaded(crate_dir: PathBuf) -> Self {
        let loaded = Loaded::now(&crate_dir);
        Self { loaded, ..Self::new(crate_dir) }
    }

    /// It was not loaded after all; a cell will do it.
    pub fn unload(&mut self) {
        self.loaded = None;
    }

    /// The program has ended and its variables are gone: what comes next may be of any type.
    pub fn forget(&mut self) {
        self.rebase = self.loaded.take().is_some() || self.rebase;
    }

    /// Before a cell.
    pub fn check(&mut self, code: &str) -> Result<(), Failure> {
        if self.rebase {
            self.rebase = false;
            self.loaded = Loaded::now(&self.crate_dir);
        }
        let Some(loaded) = &mut self.loaded else {
            self.candidate = loads(code).then(|| Loaded::now(&self.crate_dir)).flatten();
            return Ok(());
        };
        let Ok(stamps) = stamps(&self.crate_dir) else { return Ok(()) };
        if stamps == loaded.stamps {
            return Ok(());
        }
        // A crate that does not parse will not compile either; the compiler says it better.
        let Ok(definitions) = definitions(&self.crate_dir) else { return Ok(()) };
        let changed = differences(&loaded.definitions, &definitions);
        if changed.is_empty() {
            log(|| "vae_core was edited, its types are the same".into());
            loaded.stamps = stamps;
            return Ok(());
        }
        let names = changed.join(", ");
        Err(Failure::new(
            "TypesChanged",
            &format!("types of vae_core changed: restart the kernel ({names})"),
            &["The kernel's variables still have the old layout; with the new one they would be read as nonsense."
                .to_owned()],
        ))
    }

    /// After a cell that went well.
    pub fn ran(&mut self, code: &str) {
        if self.loaded.is_none() && loads(code) {
            self.loaded = self.candidate.take();
        }
    }
}

/// Whether a cell makes the crate a dependency.
fn loads(code: &str) -> bool {
    code.lines().any(|line| line.trim_start().starts_with(":dep") && line.contains("vae_core"))
}

fn differences(old: &Definitions, new: &Definitions) -> Vec<String> {
    // A new type has no variables yet.
    old.iter().filter(|(name, text)| new.get(*name) != Some(text)).map(|(name, _)| name.clone()).take(6).collect()
}

fn stamps(crate_dir: &Path) -> io::Result<Stamps> {
    let files = sources(crate_dir)?;
    files.into_iter().map(|file| file.metadata().map(|m| (file, (m.len(), m.modified().ok())))).collect()
}

/// The manifest and all Rust files.
fn sources(crate_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![crate_dir.join("Cargo.toml")];
    let mut folders = vec![crate_dir.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn definitions(crate_dir: &Path) -> anyhow::Result<Definitions> {
    let mut found = Definitions::new();
    for file in sources(crate_dir)? {
        let text = fs::read_to_string(&file)?;
        let name = file.strip_prefix(crate_dir.join("src")).unwrap_or(&file).to_string_lossy().into_owned();
        if file.extension().is_some_and(|e| e == "rs") {
            collect(&syn::parse_file(&text)?.items, name.trim_end_matches(".rs"), &mut found);
        } else {
            found.insert("dependencies".to_owned(), dependencies(&text));
        }
    }
    Ok(found)
}

/// Other versions or features of the dependencies change their types.
fn dependencies(manifest: &str) -> String {
    let sections = manifest.split("\n[").filter(|s| s.starts_with("dependencies") || s.starts_with("features"));
    sections.collect::<Vec<_>>().join("\n")
}

/// Types, traits (their methods' order is the layout of `dyn` values), and the integers that may be an array's length.
fn collect(items: &[Item], module: &str, found: &mut Definitions) {
    for item in items {
        let (name, text) = match item {
            Item::Struct(i) => (i.ident.to_string(), i.to_token_stream()),
            Item::Enum(i) => (i.ident.to_string(), i.to_token_stream()),
            Item::Union(i) => (i.ident.to_string(), i.to_token_stream()),
            Item::Type(i) => (i.ident.to_string(), i.to_token_stream()),
            Item::Const(i) if i.ty.to_token_stream().to_string() == "usize" => {
                (i.ident.to_string(), i.to_token_stream())
            }
            Item::Trait(i) => {
                let mut i = i.clone();
                for method in &mut i.items {
                    if let TraitItem::Fn(method) = method {
                        method.default = None;
                    }
                }
                (i.ident.to_string(), i.to_token_stream())
            }
            Item::Macro(i) => (i.mac.path.to_token_stream().to_string(), i.to_token_stream()),
            Item::Mod(i) => {
                let test = i.attrs.iter().any(|a| a.to_token_stream().to_string().contains("test"));
                if let Some((_, items)) = i.content.as_ref().filter(|_| !test) {
                    collect(items, &format!("{module}::{}", i.ident), found);
                }
                continue;
            }
            _ => continue,
        };
        // Several of one name, under different `cfg`s, are kept together.
        found.entry(format!("{module}::{name}")).or_default().push_str(&layout(text).to_string());
    }
}

/// Without attributes (documentation, derives), except those that matter for the layout.
fn layout(tokens: TokenStream) -> TokenStream {
    let mut out = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match (&token, tokens.peek()) {
            (TokenTree::Punct(p), Some(TokenTree::Group(g)))
                if p.as_char() == '#' && g.delimiter() == Delimiter::Bracket =>
            {
                let kept =
                    matches!(g.stream().into_iter().next(), Some(TokenTree::Ident(i)) if i == "repr" || i == "cfg");
                let group = tokens.next();
                if kept {
                    out.push(token);
                    out.extend(group);
                }
            }
            (TokenTree::Group(g), _) => {
                out.push(TokenTree::Group(proc_macro2::Group::new(g.delimiter(), layout(g.stream()))));
            }
            _ => out.push(token),
        }
    }
    out.into_iter().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BEFORE: &str = "/// Doc.\n#[derive(Clone)]\npub struct A { pub x: f64 }\npub fn f() -> f64 { 1.0 }\nconst N: usize = 3;\n\
                          pub trait T { fn a(&self) -> f64 { 1.0 } fn b(&self); }\nmod inner { pub enum E { P, Q(f64) } }\n";

    fn of(text: &str) -> Definitions {
        let mut found = Definitions::new();
        collect(&syn::parse_file(text).unwrap().items, "lib", &mut found);
        found
    }

    #[test]
    fn bodies_docs_and_new_types_may_change() {
        for (from, to) in [
            ("{ 1.0 }\nconst", "{ 2.0 }\nconst"),
            ("Doc.", "Better documentation."),
            ("derive(Clone)", "derive(Clone, Debug)"),
            ("-> f64 { 1.0 } fn b", "-> f64 { 2.0 } fn b"),
            ("mod inner", "pub struct New; mod inner"),
            ("struct A { pub x", "struct A {\n    // comment\n    pub x"),
        ] {
            let after = BEFORE.replacen(from, to, 1);
            assert_ne!(after, BEFORE);
            assert!(differences(&of(BEFORE), &of(&after)).is_empty(), "{to}");
        }
    }

    #[test]
    fn changed_types_are_named() {
        for (from, to, name) in [
            ("x: f64", "x: f32", "lib::A"),
            ("x: f64", "y: f64, pub x: f64", "lib::A"),
            ("#[derive(Clone)]", "#[repr(C)]", "lib::A"),
            ("usize = 3", "usize = 4", "lib::N"),
            ("fn b(&self);", "fn b(&self); fn c(&self);", "lib::T"),
            ("E { P, Q", "E { O, P, Q", "lib::inner::E"),
            ("pub struct A", "struct Renamed", "lib::A"),
        ] {
            let after = BEFORE.replacen(from, to, 1);
            assert_eq!(differences(&of(BEFORE), &of(&after)), [name], "{to}");
        }
    }

    #[test]
    fn dependencies_are_watched_but_not_the_rest_of_the_manifest() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\nndarray = \"0.17\"\n\n[dev-dependencies]\na = \"1\"\n";
        assert!(dependencies(manifest).contains("ndarray"));
        assert!(!dependencies(manifest).contains("package") && !dependencies(manifest).contains("a = "));
    }

    #[test]
    fn a_kernel_refuses_cells_after_a_type_has_changed_until_it_is_undone() {
        let dir = tempfile::tempdir().unwrap();
        let write = |text: &str| fs::write(dir.path().join("src/lib.rs"), text).unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        fs::write(dir.path().join("Cargo.toml"), "[package]\n").unwrap();
        write(BEFORE);
        let mut types = Types::preloaded(dir.path().to_owned());
        assert!(types.check("1").is_ok());
        write(&BEFORE.replace("{ 1.0 }", "{ 2.0 + 3.0 }"));
        assert!(types.check("1").is_ok());
        write(&BEFORE.replace("x: f64", "x: f32, y: u8"));
        let error = types.check("1").unwrap_err();
        assert!(error.evalue.contains("restart the kernel (lib::A)"), "{error:?}");
        assert!(types.check("1").is_err());
        write("pub struct A { half a");
        assert!(types.check("1").is_ok(), "the compiler's to refuse");
        write(BEFORE);
        assert!(types.check("1").is_ok());
        write(&BEFORE.replace("x: f64", "x: u8"));
        types.forget();
        assert!(types.check("1").is_ok(), "a new program has no old variables");
    }

    #[test]
    fn a_crate_counts_from_the_cell_that_loads_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("src")).unwrap();
        fs::write(dir.path().join("Cargo.toml"), "[package]\n").unwrap();
        fs::write(dir.path().join("src/lib.rs"), BEFORE).unwrap();
        let mut types = Types::new(dir.path().to_owned());
        let load = ":dep vae_core = { path = \"../vae_core\" }\nuse vae_core::prelude::*;";
        assert!(types.check(load).is_ok());
        types.ran(load);
        fs::write(dir.path().join("src/lib.rs"), "pub struct B(u8);").unwrap();
        assert!(types.check("1").is_err());
    }
}
