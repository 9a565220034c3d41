//! Files that need each other in a circle cannot be understood one at a time.
//!
//! An edge goes from a file to the file that defines what it names, through re-exports: a `mod.rs` that passes on
//! what its children define is a list of contents, not a user of them.

use std::collections::{BTreeMap, VecDeque};

use super::source::How;
use super::tree::Tree;

/// To each file that is needed, the first line that needs it and how it is written there.
type Edges = Vec<BTreeMap<usize, (usize, String)>>;

/// Returns a line for each group of files that need each other, with the shortest way round.
pub(super) fn broken(tree: &Tree) -> Vec<String> {
    let edges = edges(tree);
    components(&edges)
        .into_iter()
        .filter(|group| group.len() > 1)
        .filter_map(|group| shortest_circle(&edges, &group).map(|circle| (group, circle)))
        .map(|(group, circle)| describe(tree, &edges, &group, &circle))
        .collect()
}

fn edges(tree: &Tree) -> Edges {
    let mut edges: Edges = vec![BTreeMap::new(); tree.files.len()];
    for file in tree.shipped() {
        let module = tree.files[file].module().unwrap_or_default();
        for meant in tree.meant(file).into_iter().filter(|meant| meant.own) {
            let passes_on_a_child = matches!(meant.named.how, How::Reexport { .. })
                && meant.path.len() > module.len()
                && meant.path.starts_with(&module);
            if passes_on_a_child {
                continue;
            }
            if let Some(other) = tree.file_of(&meant.path).filter(|&other| other != file) {
                let written = meant.named.path.join("::");
                edges[file]
                    .entry(other)
                    .or_insert((meant.named.line, written));
            }
        }
    }
    edges
}

/// The strongly connected components, by Tarjan's algorithm, each sorted.
fn components(edges: &Edges) -> Vec<Vec<usize>> {
    let mut search = Search {
        edges,
        next: 0,
        number: vec![None; edges.len()],
        low: vec![0; edges.len()],
        stack: Vec::new(),
        on_stack: vec![false; edges.len()],
        found: Vec::new(),
    };
    for file in 0..edges.len() {
        if search.number[file].is_none() {
            search.visit(file);
        }
    }
    search.found.sort();
    search.found
}

struct Search<'a> {
    edges: &'a Edges,
    next: usize,
    number: Vec<Option<usize>>,
    low: Vec<usize>,
    stack: Vec<usize>,
    on_stack: Vec<bool>,
    found: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn visit(&mut self, file: usize) {
        self.number[file] = Some(self.next);
        self.low[file] = self.next;
        self.next += 1;
        self.stack.push(file);
        self.on_stack[file] = true;
        for &other in self.edges[file].keys() {
            match self.number[other] {
                None => {
                    self.visit(other);
                    self.low[file] = self.low[file].min(self.low[other]);
                }
                Some(number) if self.on_stack[other] => self.low[file] = self.low[file].min(number),
                Some(_) => {}
            }
        }
        if Some(self.low[file]) == self.number[file] {
            let start = self
                .stack
                .iter()
                .rposition(|&other| other == file)
                .unwrap_or(0);
            let mut group = self.stack.split_off(start);
            for &other in &group {
                self.on_stack[other] = false;
            }
            group.sort_unstable();
            self.found.push(group);
        }
    }
}

/// The shortest way from a file of the group back to it: breadth first from each of them.
fn shortest_circle(edges: &Edges, group: &[usize]) -> Option<Vec<usize>> {
    group
        .iter()
        .filter_map(|&start| circle_from(edges, group, start))
        .min_by_key(Vec::len)
}

fn circle_from(edges: &Edges, group: &[usize], start: usize) -> Option<Vec<usize>> {
    let mut from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for &other in edges[file].keys().filter(|other| group.contains(other)) {
            if other == start {
                let mut way = vec![file];
                let mut at = file;
                while let Some(&before) = from.get(&at) {
                    way.push(before);
                    at = before;
                }
                way.reverse();
                return Some(way);
            }
            from.entry(other).or_insert_with(|| {
                queue.push_back(other);
                file
            });
        }
    }
    None
}

fn describe(tree: &Tree, edges: &Edges, group: &[usize], circle: &[usize]) -> String {
    let mut text = String::from("files that need each other: ");
    for (place, &file) in circle.iter().enumerate() {
        let next = circle[(place + 1) % circle.len()];
        let (line, written) = &edges[file][&next];
        text += &format!("{}:{line} (`{written}`) → ", tree.files[file].path);
    }
    text += &tree.files[circle[0]].path;
    if group.len() > circle.len() {
        text += &format!(" ({} files in all are in such circles)", group.len());
    }
    text
}
