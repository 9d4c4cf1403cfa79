//! The floors of the design: a module imports from its own floor and from those below, and no circle leads through files.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ItemFn, ItemMod, ItemUse, Macro, UseTree, VisRestricted, Visibility};

/// The folders and files of `src`, from the ground up.
const FLOORS: &[&[&str]] = &[
    &["error", "rng", "environment", "checksum", "files", "threads", "kernel"],
    &["numeric"],
    &["choices", "nn", "optim", "data"],
    &["priors", "posteriors", "likelihoods", "weights", "corruption", "estimators"],
    &["models", "svi", "mcmc"],
    &["step"],
    &["inference", "config"],
    &["train"],
    &["runs"],
    &["figures"],
    &["reference"],
    &["live"],
    &["prelude"],
];

/// Imports that are faults and known: (from, to). Each is to go; the test fails if one of them is no fault.
const EXCEPTIONS: &[(&str, &str)] = &[];

#[test]
fn imports_go_down_and_never_round() {
    let tree = Tree::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(tree.imports.len() > 100, "the sources were not read: {} imports", tree.imports.len());
    let faults = tree.faults(EXCEPTIONS);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_kind_of_fault_is_found() {
    let faults = |files: &[(&str, &str)]| Tree::parse(files).faults(&[]);
    let store = ("runs/store.rs", "pub struct Store;");
    let mod_rs = ("runs/mod.rs", "pub mod store; pub use store::Store;");
    let up = [
        ("train/trainer.rs", "use crate::runs::store::Store;"),
        ("train/trainer.rs", "use crate::{error::Error, runs::{self, Store}};"),
        ("train/trainer.rs", "fn f() { let _ = crate::runs::Store; }"),
        ("train/trainer.rs", "fn f() { println!(\"{:?}\", [crate::runs::store::Store]); }"),
        ("train/trainer.rs", "mod inner { use super::super::super::runs::Store; }"),
        ("train/trainer.rs", "macro_rules! m { () => { $crate::runs::Store } }"),
        ("train/trainer.rs", "pub use crate::runs::store::Store as Other;"),
    ];
    for file in up {
        let found = faults(&[file, store, mod_rs, ("train/mod.rs", ""), ("error.rs", "")]);
        assert!(!found.is_empty(), "{file:?}");
        for fault in found {
            assert!(fault.starts_with("train/trainer.rs imports ") && fault.contains("runs"), "{fault}");
        }
    }
    let down = [
        ("live/a.rs", "use crate::runs::store::Store;"),
        ("train/trainer.rs", "/// As [`Store`](crate::runs::Store).\npub(in crate::train) fn f() {}"),
        ("train/trainer.rs", "#[cfg(test)] mod tests { use crate::runs::Store; }"),
        ("train/trainer.rs", "#[cfg(test)] use crate::runs::Store;"),
        ("runs/result.rs", "use super::Store; use std::collections::BTreeMap;"),
    ];
    for file in down {
        assert_eq!(faults(&[file, store, mod_rs, ("train/mod.rs", ""), ("live/mod.rs", "")]), [""; 0], "{file:?}");
    }
    // a circle is found through what a mod.rs hands on; that it declares its children is none
    let circle = [
        ("data/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("data/a.rs", "use super::B; pub struct A(B);"),
        ("data/b.rs", "use crate::data::A; pub struct B(Box<A>);"),
    ];
    let found = faults(&circle);
    assert_eq!(found, ["a circle: data/a.rs → data/b.rs → data/a.rs (data/a.rs imports super::B)"]);
    assert_eq!(Tree::parse(&circle).faults(&[("data/b.rs", "data/a.rs")]), [""; 0]);
    assert!(faults(&[("attic/mod.rs", "")])[0].contains("attic/mod.rs is on no floor"));
    let stale = Tree::parse(&[store, mod_rs]).faults(&[("train/trainer.rs", "runs/store.rs")]);
    assert!(stale[0].contains("no fault"), "{stale:?}");
}

/// A module's path below the crate: `["data", "mat"]`.
type Module = Vec<String>;

/// The files of a crate and what they import from one another.
struct Tree {
    files: BTreeMap<Module, String>,
    imports: Vec<Import>,
}

struct Import {
    from: Module,
    to: Module,
    text: String,
}

impl Tree {
    fn read(src: &Path) -> Self {
        let (mut folders, mut files) = (vec![src.to_owned()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let name = path.strip_prefix(src).unwrap().to_str().unwrap().replace('\\', "/");
                    files.push((name, std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        Self::parse(&files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect::<Vec<_>>())
    }

    fn parse(sources: &[(&str, &str)]) -> Self {
        let module = |name: &str| -> Module {
            let mut module: Module = name.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            module.pop_if(|last| last == "mod" || last == "lib");
            module
        };
        let files: BTreeMap<Module, String> = sources.iter().map(|(name, _)| (module(name), (*name).into())).collect();
        let mut tree = Self { files, imports: Vec::new() };
        let mut handed_on = BTreeMap::new();
        let mut seen = Vec::new();
        for (name, text) in sources {
            let at = module(name);
            let mut visitor = Paths { tree: &tree, at: at.clone(), seen: Vec::new(), handed_on: &mut handed_on };
            visitor.visit_file(&syn::parse_file(text).unwrap_or_else(|e| panic!("{name}: {e}")));
            seen.extend(visitor.seen.into_iter().map(|(path, text)| (at.clone(), path, text)));
        }
        for (from, path, text) in seen {
            let to = tree.owner(path, &handed_on);
            // A module declares its own children, and the crate's root is nobody's floor.
            if !to.is_empty() && to != from && !(to.starts_with(&from) && tree.files[&from].ends_with("mod.rs")) {
                tree.imports.push(Import { from, to, text });
            }
        }
        tree.imports.retain(|import| !import.from.is_empty());
        tree
    }

    /// The module whose file defines what a path from the crate's root names, through what other files hand on.
    fn owner(&self, mut path: Module, handed_on: &BTreeMap<Module, Module>) -> Module {
        for _ in 0..16 {
            let length = (0..=path.len()).rev().find(|&n| self.files.contains_key(&path[..n])).unwrap_or(0);
            let named = path.get(..=length).and_then(|name| handed_on.get(name));
            match named {
                Some(source) => path = [source.as_slice(), &path[length + 1..]].concat(),
                None => {
                    path.truncate(length);
                    break;
                }
            }
        }
        path
    }

    fn faults(&self, exceptions: &[(&str, &str)]) -> Vec<String> {
        let name = |module: &Module| self.files[module].as_str();
        let edge = |import: &Import| (name(&import.from), name(&import.to));
        let floor = |module: &Module| FLOORS.iter().position(|floor| floor.contains(&module[0].as_str()));
        let rises = |import: &Import| floor(&import.to) > floor(&import.from);
        let mut faults: Vec<String> = self
            .files
            .iter()
            .filter(|(module, _)| !module.is_empty() && floor(module).is_none())
            .map(|(_, name)| format!("{name} is on no floor: add its folder to FLOORS"))
            .collect();
        let all: Vec<&Import> = self.imports.iter().collect();
        for exception in exceptions {
            let fault =
                all.iter().any(|i| edge(i) == *exception && (rises(i) || self.way(&all, &i.to, &i.from).is_some()));
            if !fault {
                faults.push(format!("{} → {} is no fault: take it out of EXCEPTIONS", exception.0, exception.1));
            }
        }
        let (up, level): (Vec<&Import>, Vec<&Import>) =
            all.into_iter().filter(|import| !exceptions.contains(&edge(import))).partition(|import| rises(import));
        faults.extend(up.into_iter().map(|i| format!("{} imports {}, which is above it", name(&i.from), i.text)));
        let mut told = BTreeSet::new();
        for import in &level {
            let Some(way) = self.way(&level, &import.to, &import.from) else { continue };
            let mut circle = way.clone();
            circle.sort();
            if told.insert(circle) {
                let round: Vec<&str> = std::iter::once(&import.from).chain(&way).map(name).collect();
                let (from, text) = (name(&import.from), &import.text);
                faults.push(format!("a circle: {} ({from} imports {text})", round.join(" → ")));
            }
        }
        faults
    }

    /// The shortest way of imports from one module to another, both ends included.
    fn way(&self, imports: &[&Import], from: &Module, to: &Module) -> Option<Vec<Module>> {
        let mut ways = std::collections::VecDeque::from([vec![from.clone()]]);
        let mut seen = BTreeSet::from([from.clone()]);
        while let Some(way) = ways.pop_front() {
            let last = way.last()?;
            if last == to {
                return Some(way);
            }
            for import in imports.iter().filter(|import| import.from == *last) {
                if seen.insert(import.to.clone()) {
                    ways.push_back([way.as_slice(), std::slice::from_ref(&import.to)].concat());
                }
            }
        }
        None
    }
}

/// Collects the paths of a file that begin in this crate.
struct Paths<'a> {
    tree: &'a Tree,
    /// The module that is being read, inline modules included.
    at: Module,
    /// Paths from the crate's root, and as they are written.
    seen: Vec<(Module, String)>,
    /// What a public `use` gives another name, and what it names.
    handed_on: &'a mut BTreeMap<Module, Module>,
}

impl Paths<'_> {
    fn absolute(&self, segments: &[String]) -> Option<Module> {
        let mut path = match segments.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.at.clone(),
            child => {
                let own = [self.at.as_slice(), &[child.to_owned()]].concat();
                return self.tree.files.contains_key(&own).then(|| [&self.at, segments].concat());
            }
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => drop(path.pop()),
                name => path.push(name.to_owned()),
            }
        }
        Some(path)
    }

    fn see(&mut self, segments: &[String]) {
        if segments.len() > 1
            && matches!(segments[0].as_str(), "crate" | "self" | "super")
            && let Some(path) = self.absolute(segments)
        {
            self.seen.push((path, segments.join("::")));
        }
    }

    fn see_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Punct(p) if p.as_char() == ':' => colons += 1,
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.see(&std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                other => {
                    self.see(&std::mem::take(&mut path));
                    if let TokenTree::Group(group) = other {
                        self.see_tokens(group.stream());
                    }
                    colons = 0;
                }
            }
        }
        self.see(&path);
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !for_tests(&item.attrs) {
            self.at.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.at.pop();
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !for_tests(&item.attrs) {
            visit::visit_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if for_tests(&item.attrs) {
            return;
        }
        for (segments, name) in leaves(&item.tree) {
            self.see(&segments);
            if !matches!(item.vis, Visibility::Inherited)
                && let Some(path) = self.absolute(&segments)
            {
                self.handed_on.insert([self.at.as_slice(), &[name]].concat(), path);
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.see(&path.segments.iter().map(|s| s.ident.to_string()).collect::<Vec<_>>());
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast Macro) {
        self.see_tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_vis_restricted(&mut self, _: &'ast VisRestricted) {}
}

/// The full paths of a `use`, and the names that they get.
fn leaves(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => {
            let first = path.ident.to_string();
            let below = |(rest, name): (Vec<String>, String)| match rest.as_slice() {
                [own] if own == "self" => (vec![first.clone()], if name == "self" { first.clone() } else { name }),
                _ => ([std::slice::from_ref(&first), rest.as_slice()].concat(), name),
            };
            leaves(&path.tree).into_iter().map(below).collect()
        }
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(name) => vec![(vec![name.ident.to_string()], name.rename.to_string())],
        UseTree::Glob(_) => vec![(vec!["*".into()], "*".into())],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| {
                let condition = list.tokens.to_string().replace(' ', "");
                condition == "test" || condition.starts_with("all(test")
            })
    })
}
