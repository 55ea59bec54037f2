//! Which file imports which: `use` and paths in code, followed through re-exports to the file that defines the item.

use std::collections::{BTreeMap, BTreeSet};

use super::scan::{Scan, scan};
use super::tokens::test_modules;

/// A module's name, from the crate's root.
type Module = Vec<String>;

/// Which file imports which.
pub struct Imports {
    /// By the file's path below `src`; no file is among its own.
    pub of: BTreeMap<String, BTreeSet<String>>,
}

/// Deeper than any chain of re-exports; one that goes round ends here.
const MAX_REEXPORTS: usize = 16;
/// How `main.rs`, a crate of its own, calls the library.
const LIBRARY: &str = "deploy_agent";

struct Crate {
    modules: BTreeMap<Module, (String, Scan)>,
}

impl Imports {
    /// Of the files of a `src`, given as path and text. Files that only tests compile are left out.
    pub fn read<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files: Vec<(&str, &str)> = files.into_iter().collect();
        let only_tests: BTreeSet<Module> = files
            .iter()
            .flat_map(|(file, text)| {
                let module = module_of(file);
                test_modules(text)
                    .into_iter()
                    .map(move |name| [module.clone(), vec![name]].concat())
            })
            .collect();
        let mut whole = Crate {
            modules: BTreeMap::new(),
        };
        for (file, text) in files {
            let module = module_of(file);
            if !only_tests.iter().any(|test| module.starts_with(test)) {
                whole
                    .modules
                    .insert(module, (file.to_owned(), scan(file, text)));
            }
        }
        let of = whole
            .modules
            .keys()
            .map(|module| (whole.modules[module].0.clone(), whole.imports_of(module)))
            .collect();
        Self { of }
    }

    /// Groups of files that reach each other, the largest first; a house in layers has none.
    pub fn circles(&self) -> Vec<Vec<String>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> = self
            .of
            .keys()
            .map(|file| (file.as_str(), self.reached_from(file)))
            .collect();
        let mut circles = BTreeSet::new();
        for (file, far) in &reached {
            let back = |other: &&&str| reached.get(**other).is_some_and(|far| far.contains(file));
            let group: Vec<String> = far
                .iter()
                .filter(back)
                .map(|name| (*name).to_owned())
                .collect();
            if !group.is_empty() {
                circles.insert(group);
            }
        }
        let mut circles: Vec<_> = circles.into_iter().collect();
        circles.sort_by_key(|group| std::cmp::Reverse(group.len()));
        circles
    }

    /// The imports among these files, as sentences.
    pub fn inside(&self, files: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        for file in files {
            for other in self.of[file].iter().filter(|other| files.contains(other)) {
                found.push(format!("{file} imports {other}"));
            }
        }
        found
    }

    fn reached_from(&self, file: &str) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        let mut open = vec![file];
        while let Some(file) = open.pop() {
            for next in self.of.get(file).into_iter().flatten() {
                if found.insert(next.as_str()) {
                    open.push(next);
                }
            }
        }
        found
    }
}

/// `audit/mod.rs` and `audit.rs` are `audit`; `lib.rs` is the root; `main.rs` stands beside it.
fn module_of(file: &str) -> Module {
    let stem = file.strip_suffix(".rs").expect("a Rust file");
    let mut module: Module = stem.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || stem == "lib" {
        module.pop();
    }
    module
}

impl Crate {
    fn imports_of(&self, module: &Module) -> BTreeSet<String> {
        let (file, scan) = &self.modules[module];
        let mut found = BTreeSet::new();
        for import in &scan.imports {
            let target = self.place(module, &import.path);
            let own = target
                .as_ref()
                .is_some_and(|target| target.starts_with(module));
            // A module that hands its children's items on depends on none of them by that.
            if import.handed_on && own {
                continue;
            }
            // A module by itself is a name; what is taken from it shows in the paths.
            let named = import.name.is_some();
            match self.resolve(module, &import.path, 0) {
                Some(Found::Item(file)) => found.insert(file),
                Some(Found::Module(other)) if !named => {
                    found.insert(self.modules[&other].0.clone())
                }
                _ => false,
            };
        }
        for path in &scan.paths {
            if let Some(Found::Item(file)) = self.resolve(module, path, 0) {
                found.insert(file);
            }
        }
        found.remove(file);
        found
    }

    /// The module, as far as the path names one, without following re-exports.
    fn place(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (mut module, rest) = self.begin(from, path)?;
        for segment in rest {
            let child = [module.clone(), vec![segment.clone()]].concat();
            if !self.modules.contains_key(&child) {
                break;
            }
            module = child;
        }
        Some(module)
    }

    /// The module in which a path begins, and what of the path is left. Nothing when it begins in a foreign crate.
    fn begin<'p>(&self, from: &Module, path: &'p [String]) -> Option<(Module, &'p [String])> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((Vec::new(), rest)),
            LIBRARY if from == &["main"] => Some((Vec::new(), rest)),
            "self" => Some((from.clone(), rest)),
            "super" => {
                let mut parent = from.clone();
                parent.pop();
                let mut rest = rest;
                while let Some(("super", more)) = rest.split_first().map(|(a, b)| (a.as_str(), b)) {
                    parent.pop();
                    rest = more;
                }
                Some((parent, rest))
            }
            name => self.knows(from, name).then(|| (from.clone(), path)),
        }
    }

    /// Whether a name may mean something in a module; what it takes in whole decides later.
    fn knows(&self, module: &Module, name: &str) -> bool {
        let Some((_, scan)) = self.modules.get(module) else {
            return false;
        };
        let imported = |name: &str| {
            scan.imports
                .iter()
                .any(|import| match import.name.as_deref() {
                    Some(known) => known == name && import.path[0] != name,
                    None => import.path[0] != name,
                })
        };
        scan.children.iter().any(|child| child == name)
            || scan.items.iter().any(|item| item == name)
            || imported(name)
    }

    fn resolve(&self, from: &Module, path: &[String], depth: usize) -> Option<Found> {
        let (module, rest) = self.begin(from, path)?;
        self.descend(&module, rest, depth)
    }

    fn descend(&self, module: &Module, rest: &[String], depth: usize) -> Option<Found> {
        let (file, scan) = self.modules.get(module)?;
        let Some((name, more)) = rest.split_first() else {
            return Some(Found::Module(module.clone()));
        };
        if scan.children.contains(name) {
            let child = [module.clone(), vec![name.clone()]].concat();
            return self.descend(&child, more, depth);
        }
        if scan.items.contains(name) {
            return Some(Found::Item(file.clone()));
        }
        if depth >= MAX_REEXPORTS {
            return None;
        }
        for import in &scan.imports {
            let through = match &import.name {
                Some(known) if known == name => [import.path.as_slice(), more].concat(),
                Some(_) => continue,
                None => [import.path.as_slice(), rest].concat(),
            };
            if let Some(found) = self.resolve(module, &through, depth + 1) {
                return Some(found);
            }
        }
        None
    }
}

enum Found {
    /// An item, in this file.
    Item(String),
    Module(Module),
}
