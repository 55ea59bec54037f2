//! No edit of the trail goes unseen.

use deploy_agent::audit::Verdict;
use proptest::prelude::*;

use super::{Desk, verdict_of};

#[tokio::test]
async fn a_trail_that_nobody_touched_is_intact() {
    let desk = Desk::with_two_deploys().await;
    let (verdict, said) = desk.verdict();
    assert_eq!(verdict, Verdict::Intact, "{said}");
    assert!(
        said.starts_with("intact: 9 records, seq 1..9, head 9:"),
        "{said}"
    );
}

#[tokio::test]
async fn a_change_of_any_byte_is_found() {
    let desk = Desk::with_two_deploys().await;
    let whole = std::fs::read(desk.file()).expect("read");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(desk.file(), &changed).expect("written");
        let (verdict, said) = desk.verdict();
        assert_eq!(verdict, Verdict::Broken, "byte {at}: {said}");
    }
}

#[tokio::test]
async fn the_first_line_that_breaks_the_chain_is_named() {
    let desk = Desk::with_two_deploys().await;
    let changed = desk.text().replacen("op-1", "op-9", 1);
    std::fs::write(desk.file(), changed).expect("written");
    let (_, said) = desk.verdict();
    assert!(said.contains("audit.jsonl line 2:"), "{said}");
}

#[tokio::test]
async fn cut_swapped_doubled_and_missing_lines_are_found() {
    let desk = Desk::with_two_deploys().await;
    let lines = desk.lines();
    let mut edits: Vec<(String, Vec<String>)> = Vec::new();
    for at in 0..lines.len() {
        let mut missing = lines.clone();
        missing.remove(at);
        edits.push((format!("line {at} missing"), missing));
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at].clone());
        edits.push((format!("line {at} doubled"), doubled));
        edits.push((format!("cut before line {at}"), lines[..at].to_vec()));
        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            edits.push((format!("lines {at} and {other} swapped"), swapped));
        }
    }
    for (what, edited) in edits {
        let text: String = edited.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(desk.file(), text).expect("written");
        let (verdict, said) = desk.verdict();
        assert_eq!(verdict, Verdict::Broken, "{what}: {said}");
    }
}

#[tokio::test]
async fn an_anchor_noted_elsewhere_finds_a_trail_that_was_written_anew() {
    let desk = Desk::new();
    let (trail, _) = desk.opened();
    let receipt = trail
        .append(super::started("op-1", "1.0.0"))
        .await
        .expect("recorded");
    trail.close().await;
    let anchor = receipt.to_string();
    assert_eq!(
        verdict_of(&desk.state, Some(&anchor), false).0,
        Verdict::Intact
    );
    // Somebody with the host's rights writes another trail, with a head that fits.
    let other = Desk::with_two_deploys().await;
    let (verdict, said) = verdict_of(&other.state, Some(&anchor), false);
    assert_eq!(verdict, Verdict::Broken, "{said}");
    // A copy of the file alone, elsewhere, can be checked as well.
    assert_eq!(
        verdict_of(&desk.file(), Some(&anchor), false).0,
        Verdict::Intact
    );
}

#[tokio::test]
async fn a_cut_tail_is_recorded_at_the_next_start() {
    let desk = Desk::with_two_deploys().await;
    let lines = desk.lines();
    let cut: String = lines[..6].iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(desk.file(), cut).expect("written");
    let (trail, opened) = desk.opened();
    assert!(
        opened.problems[0].contains("records 7 to 9 are missing"),
        "{:?}",
        opened.problems
    );
    trail.close().await;
    assert!(desk.text().contains("trail_damaged"));
    // Numbers are not used twice, so the gap stays to be seen.
    assert_eq!(desk.verdict().0, Verdict::Broken);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any splice: some bytes taken out somewhere and others put in.
    #[test]
    fn any_splice_is_found(from in 0_usize..2000, taken in 0_usize..400, put in "[ -~\n]{0,40}") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let desk = runtime.block_on(Desk::with_two_deploys());
        let whole = std::fs::read(desk.file()).expect("read");
        let from = from.min(whole.len());
        let to = (from + taken).min(whole.len());
        let spliced = [&whole[..from], put.as_bytes(), &whole[to..]].concat();
        std::fs::write(desk.file(), &spliced).expect("written");
        let (verdict, said) = desk.verdict();
        // Bytes after the last newline are no record yet: a writer may be at it.
        let only_a_tail = spliced.starts_with(&whole) && !spliced[whole.len()..].contains(&b'\n');
        prop_assert_eq!(verdict == Verdict::Intact, spliced == whole || only_a_tail, "{}", said);
    }
}
