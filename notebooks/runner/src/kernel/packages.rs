//! `cargo metadata`, without the packages that can play no part in the type of a notebook's variable.
//!
//! For the analyser inside evcxr (see [`super::analyser`]), which reads every package of the answer. Left out are what only
//! build scripts and tests need, what procedural macros are made of (evcxr does not expand them), and the packages that
//! `vae_core` names as `unseen` in its manifest, unless a notebook's own dependencies need them. Compilation never sees this.
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::Context;
use serde_json::Value;

/// What of std is not seen in its signatures: it prints backtraces.
const UNSEEN_IN_STD: [&str; 4] = ["addr2line", "miniz_oxide", "object", "rustc-demangle"];

/// Asks cargo, and answers with less.
pub fn answer(cargo: &Path, args: &[OsString]) -> anyhow::Result<ExitCode> {
    let output = Command::new(cargo).args(args).stderr(Stdio::inherit()).output().context("cargo cannot be started")?;
    let lean = || Some(pruned(&serde_json::from_slice(&output.stdout).ok()?)?.to_string().into_bytes());
    let text = if output.status.success() { lean() } else { None };
    io::stdout().write_all(text.as_ref().unwrap_or(&output.stdout))?;
    let code = output.status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

type Edges<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The answer without what is not seen; `None` if it is not one that has a graph.
fn pruned(metadata: &Value) -> Option<Value> {
    let packages: BTreeMap<&str, &Value> =
        metadata["packages"].as_array()?.iter().map(|p| Some((p["id"].as_str()?, p))).collect::<Option<_>>()?;
    let name = |id: &str| packages.get(id).and_then(|p| p["name"].as_str()).unwrap_or_default();
    let mut roots: Vec<&str> =
        metadata["workspace_members"].as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let std = roots.iter().copied().find(|id| name(id) == "std");
    roots = std.map_or(roots, |std| vec![std]); // of the other members there, std needs what it needs
    let mut edges = Edges::new();
    for node in metadata["resolve"]["nodes"].as_array()? {
        let (id, deps) = (node["id"].as_str()?, node["deps"].as_array()?);
        let is_macro = packages.get(id).is_some_and(|p| is_procedural_macro(p));
        let normal = deps.iter().filter(|d| !is_macro && is_normal(d)).map(|d| d["pkg"].as_str());
        edges.insert(id, normal.collect::<Option<_>>()?);
    }
    let mut unseen: BTreeSet<&str> = std.map(|_| UNSEEN_IN_STD.into()).unwrap_or_default();
    let mut hiding: BTreeSet<&str> = std.into_iter().collect();
    for (id, package) in &packages {
        if let Some(names) = package["metadata"]["notebooks"]["unseen"].as_array() {
            unseen.extend(names.iter().filter_map(Value::as_str));
            hiding.insert(id);
        }
    }
    // Others that a notebook loads see all that they need, even if `vae_core` does not show it.
    let open = reachable(&roots, |id| if hiding.contains(id) { Vec::new() } else { edges[id].clone() });
    let open = |id: &str| open.contains(id) && !hiding.contains(id);
    let next = |id: &str| edges[id].iter().copied().filter(|d| open(id) || !unseen.contains(name(d))).collect();
    let kept = reachable(&roots, next);
    Some(restricted(metadata, &kept, &|id| next(id)))
}

fn is_procedural_macro(package: &Value) -> bool {
    let targets = package["targets"].as_array().into_iter().flatten();
    targets.flat_map(|t| t["kind"].as_array().into_iter().flatten()).any(|kind| kind == "proc-macro")
}

/// Needed by more than build scripts and tests.
fn is_normal(dependency: &Value) -> bool {
    dependency["dep_kinds"].as_array().is_none_or(|kinds| kinds.iter().any(|k| k["kind"].is_null()))
}

fn reachable<'a>(roots: &[&'a str], next: impl Fn(&'a str) -> Vec<&'a str>) -> BTreeSet<&'a str> {
    let mut found: BTreeSet<&str> = roots.iter().copied().collect();
    let mut queue: VecDeque<&str> = roots.iter().copied().collect();
    while let Some(id) = queue.pop_front() {
        queue.extend(next(id).into_iter().filter(|&d| found.insert(d)));
    }
    found
}

/// The packages that are kept, and of their dependencies those that `next` names.
fn restricted<'a>(metadata: &'a Value, kept: &BTreeSet<&str>, next: &dyn Fn(&'a str) -> Vec<&'a str>) -> Value {
    let is_kept = |id: &Value| id.as_str().is_some_and(|id| kept.contains(id));
    let list = |list: &'a Value| list.as_array().into_iter().flatten();
    let mut lean = metadata.clone();
    lean["packages"] = list(&metadata["packages"]).filter(|p| is_kept(&p["id"])).cloned().collect();
    for members in ["workspace_members", "workspace_default_members"] {
        if metadata[members].is_array() {
            lean[members] = list(&metadata[members]).filter(|m| is_kept(m)).cloned().collect();
        }
    }
    let nodes = list(&metadata["resolve"]["nodes"]).filter(|n| is_kept(&n["id"])).map(|node| {
        let next = next(node["id"].as_str().unwrap_or_default());
        let stays = |id: &Value| id.as_str().is_some_and(|id| next.contains(&id));
        let mut lean = node.clone();
        lean["deps"] = list(&node["deps"]).filter(|d| stays(&d["pkg"])).cloned().collect();
        lean["dependencies"] = list(&node["dependencies"]).filter(|d| stays(d)).cloned().collect();
        lean
    });
    lean["resolve"]["nodes"] = nodes.collect();
    lean
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    /// A graph from lines `a: b c`; `b!` is needed by a's build script only.
    fn metadata(root: &str, lines: &[&str]) -> Value {
        let (mut packages, mut nodes) = (Vec::new(), Vec::new());
        for line in lines {
            let (id, deps) = line.split_once(':').unwrap();
            let kind = if id == "macro" { "proc-macro" } else { "lib" };
            let unseen = if id == "vae_core" { json!({"notebooks": {"unseen": ["hidden"]}}) } else { Value::Null };
            packages.push(json!({"id": id, "name": id, "targets": [{"kind": [kind]}], "metadata": unseen}));
            let deps: Vec<_> = deps.split_whitespace().map(|d| (d.trim_end_matches('!'), d.ends_with('!'))).collect();
            let full = deps.iter().map(|(d, build)| {
                let kind = if *build { json!("build") } else { Value::Null };
                json!({"pkg": d, "dep_kinds": [{"kind": kind}]})
            });
            let ids: Vec<_> = deps.iter().map(|(d, _)| *d).collect();
            nodes.push(json!({"id": id, "deps": full.collect::<Vec<_>>(), "dependencies": ids}));
        }
        json!({"packages": packages, "workspace_members": [root, "tests"], "resolve": {"nodes": nodes, "root": root}})
    }

    fn names(metadata: &Value) -> String {
        let nodes = metadata["resolve"]["nodes"].as_array().unwrap().iter();
        let ids: Vec<_> = nodes.map(|n| format!("{}:{}", n["id"], n["dependencies"])).collect();
        assert_eq!(ids.len(), metadata["packages"].as_array().unwrap().len());
        ids.join(" ").replace('"', "")
    }

    #[test]
    fn what_no_signature_shows_is_left_out() {
        let graph = metadata(
            "ctx",
            &[
                "ctx:vae_core",
                "vae_core:ndarray hidden macro",
                "ndarray:hidden cc!",
                "hidden:libc",
                "libc:",
                "cc:",
                "macro:syn",
                "syn:",
            ],
        );
        let mut graph = graph;
        graph["workspace_members"] = json!(["ctx"]);
        let lean = pruned(&graph).unwrap();
        assert_eq!(names(&lean), "ctx:[vae_core] vae_core:[ndarray,macro] ndarray:[] macro:[]");
        assert_eq!(lean["workspace_members"], json!(["ctx"]));
    }

    #[test]
    fn a_notebooks_own_dependency_shows_it_again() {
        let mut graph = metadata("ctx", &["ctx:vae_core own", "vae_core:hidden", "own:hidden", "hidden:libc", "libc:"]);
        graph["workspace_members"] = json!(["ctx"]);
        assert_eq!(
            names(&pruned(&graph).unwrap()),
            "ctx:[vae_core,own] vae_core:[] own:[hidden] hidden:[libc] libc:[]"
        );
    }

    #[test]
    fn of_the_standard_library_only_what_std_shows_is_read() {
        let graph = metadata("std", &["std:core addr2line", "core:", "addr2line:", "tests:std"]);
        let lean = pruned(&graph).unwrap();
        assert_eq!(names(&lean), "std:[core] core:[]");
        assert_eq!(lean["workspace_members"], json!(["std"]));
    }

    #[test]
    fn an_answer_without_a_graph_is_none_of_ours() {
        let graph = json!({"packages": [], "workspace_members": [], "resolve": null});
        assert!(pruned(&graph).is_none());
    }
}
