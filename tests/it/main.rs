mod build;
mod checkpoint;
mod trajectory;
mod support {
    pub mod systems;
}
