//! To come.
#[test]
fn tmp() {
    let t = include_str!("constructs.wgsl");
    println!("{:?}", flowmill::engine::reflect(t).map_err(|e| e.to_string()));
    panic!();
}
