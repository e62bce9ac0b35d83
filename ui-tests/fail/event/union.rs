use tars_mqtt::Event;

#[derive(Event)]
union Bits {
    number: u32,
    bytes: [u8; 4],
}

fn main() {}
