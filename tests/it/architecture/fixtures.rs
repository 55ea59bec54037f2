//! The reader of imports, on houses small enough to see through.

use super::imports::Imports;

fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    Imports::read(files.iter().copied()).circles()
}

fn of(files: &[(&str, &str)], file: &str) -> Vec<String> {
    let imports = Imports::read(files.iter().copied());
    imports.of[file].iter().cloned().collect()
}

#[test]
fn two_files_that_import_each_other_are_a_circle() {
    let files = [
        ("lib.rs", "mod a; mod b;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", "pub struct B; fn f() -> crate::a::A { todo!() }"),
    ];
    assert_eq!(circles(&files), [["a.rs", "b.rs"]]);
}

#[test]
fn a_circle_of_three_inside_a_folder_is_found_whatever_the_form_of_the_paths() {
    let files = [
        ("lib.rs", "pub mod house;"),
        ("house/mod.rs", "mod a; mod b; mod c;"),
        (
            "house/a.rs",
            "use super::{b::{self, B as Other}}; pub struct A; fn f(_: Other) { b::f() }",
        ),
        (
            "house/b.rs",
            "pub struct B; pub fn f() { super::c::g::<u8>(); }",
        ),
        (
            "house/c.rs",
            "use crate::{house::a::A as X}; pub fn g<T>() {}",
        ),
    ];
    assert_eq!(
        circles(&files),
        [["house/a.rs", "house/b.rs", "house/c.rs"]]
    );
}

#[test]
fn an_item_that_is_handed_on_counts_as_its_files() {
    let files = [
        ("lib.rs", "pub mod house;"),
        (
            "house/mod.rs",
            "mod a; mod b; pub use a::A; pub(crate) use b::*;",
        ),
        ("house/a.rs", "pub struct A;"),
        ("house/b.rs", "use super::A; pub struct B(A);"),
        ("user.rs", "use crate::house::{A, B}; fn f(_: A, _: B) {}"),
    ];
    assert_eq!(circles(&files), Vec::<Vec<String>>::new());
    assert_eq!(of(&files, "house/b.rs"), ["house/a.rs"]);
    assert_eq!(of(&files, "user.rs"), ["house/a.rs", "house/b.rs"]);
}

#[test]
fn a_module_that_uses_what_it_hands_on_and_is_used_by_it_is_a_circle() {
    let files = [
        ("lib.rs", "pub mod house;"),
        (
            "house/mod.rs",
            "mod a; pub use a::A; pub struct Noun; fn f() { A::new(); }",
        ),
        ("house/a.rs", "use super::Noun; pub struct A(Noun);"),
    ];
    assert_eq!(circles(&files), [["house/a.rs", "house/mod.rs"]]);
}

#[test]
fn a_childs_use_of_its_parents_private_import_is_no_use_of_the_parent() {
    let files = [
        ("lib.rs", "pub mod house; pub mod low;"),
        ("low.rs", "pub struct Low;"),
        (
            "house/mod.rs",
            "mod a; use crate::low::Low; use a::A; fn f(_: A, _: Low) {}",
        ),
        ("house/a.rs", "use super::Low; pub struct A(Low);"),
    ];
    assert_eq!(of(&files, "house/a.rs"), ["low.rs"]);
    assert_eq!(of(&files, "house/mod.rs"), ["house/a.rs", "low.rs"]);
    assert_eq!(circles(&files), Vec::<Vec<String>>::new());
}

#[test]
fn a_module_in_a_file_beside_its_folder_is_that_module() {
    let files = [
        ("lib.rs", "pub mod house;"),
        ("house.rs", "mod a; pub const N: u8 = a::n();"),
        ("house/a.rs", "pub const fn n() -> u8 { super::N }"),
    ];
    assert_eq!(circles(&files), [["house.rs", "house/a.rs"]]);
}

#[test]
fn comments_strings_tests_variables_and_foreign_crates_import_nothing() {
    let b = r##"
        //! [`crate::a::A`]
        /* use crate::a::A; /* twice */ */
        use std::a::A as Foreign;
        const TEXT: &str = "use crate::a::A;";
        const RAW: &str = r#"use crate::a::A; " "#;
        fn f<'a>(a: &'a str, c: char) -> bool { c == '"' || c == '\'' || a == "\"crate::a::A" }
        #[cfg(test)]
        #[allow(unused)]
        use crate::{a::A};
        #[cfg(test)]
        mod tests { use crate::a::A; fn f() { if true {} } }
        pub struct B;
    "##;
    let files = [
        ("lib.rs", "mod a; mod b; #[cfg(test)] mod more;"),
        ("a.rs", "use crate::b::B; pub struct A(B);"),
        ("b.rs", b),
        ("more.rs", "use crate::a::A;"),
    ];
    assert_eq!(of(&files, "b.rs"), Vec::<String>::new());
    assert_eq!(of(&files, "a.rs"), ["b.rs"]);
    assert_eq!(circles(&files), Vec::<Vec<String>>::new());
    assert!(!Imports::read(files).of.contains_key("more.rs"));
}

#[test]
fn the_program_calls_the_library_by_its_name() {
    let files = [
        (
            "main.rs",
            "use deploy_agent::{cli}; fn main() { cli::run(); deploy_agent::serve::serve() }",
        ),
        ("lib.rs", "pub mod cli; pub mod serve;"),
        ("cli.rs", "pub fn run() {}"),
        ("serve.rs", "pub fn serve() {}"),
    ];
    assert_eq!(of(&files, "main.rs"), ["cli.rs", "serve.rs"]);
}
