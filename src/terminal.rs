pub fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
