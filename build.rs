//! Rules are built in as files of a folder: one that is new there is another program.

fn main() {
    println!("cargo:rerun-if-changed=rules");
}
