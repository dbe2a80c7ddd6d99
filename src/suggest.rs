//! "Did you mean …": the known name nearest to what the user wrote.

/// The nearest of `known`, if it is near enough to be what was meant (about one slip in three letters).
///
/// ```
/// assert_eq!(hexaqua::suggest::nearest("cutof", ["cutoff", "mixing"]), Some("cutoff"));
/// assert_eq!(hexaqua::suggest::nearest("colour", ["cutoff", "mixing"]), None);
/// ```
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| 3 * distance <= candidate.chars().count().max(lower.chars().count()) + 1)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// "a, b or c" with back quotes.
pub fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|n| format!("`{n}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
