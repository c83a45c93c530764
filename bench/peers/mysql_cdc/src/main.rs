// The Rust crate mysql_cdc over the same binlog files as bench/binlog_decode.cc: every event is
// parsed, rows are counted. Prints {"rows","cpu_seconds"} of the fastest round.
//   mysql_cdc_decode ROUNDS FILE...
use mysql_cdc::binlog_reader::BinlogReader;
use mysql_cdc::events::binlog_event::BinlogEvent;
use std::fs::{read_to_string, File};

// Of this thread, which is the only one.
fn cpu_seconds() -> f64 {
    let times = read_to_string("/proc/self/schedstat").unwrap();
    times.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e9
}

fn rows_in(path: &str) -> usize {
    let reader = BinlogReader::new(File::open(path).unwrap()).unwrap();
    let mut rows = 0;
    for result in reader.read_events() {
        match result.unwrap().1 {
            BinlogEvent::WriteRowsEvent(event) => rows += event.rows.len(),
            BinlogEvent::UpdateRowsEvent(event) => rows += event.rows.len(),
            BinlogEvent::DeleteRowsEvent(event) => rows += event.rows.len(),
            _ => (),
        }
    }
    rows
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let rounds: usize = arguments[1].parse().unwrap();
    let mut fastest = f64::MAX;
    let mut rows = 0;
    for _ in 0..rounds {
        let begin = cpu_seconds();
        rows = arguments[2..].iter().map(|path| rows_in(path)).sum();
        fastest = fastest.min(cpu_seconds() - begin);
    }
    println!("{{\"rows\":{},\"cpu_seconds\":{:.6}}}", rows, fastest);
}
