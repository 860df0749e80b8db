//! `infer`: from a sample to declarations that `check` and `fmt` have nothing against.

use std::io::Write;

use super::{Folder, tripline, tripline_reading};

const SAMPLE: &str = r#"{"type":"login","ts":"2026-03-01T12:00:00Z","event_id":"e1","user_id":"u1","ip":"192.0.2.1","device":{"id":"d1"},"location":[13.4,52.5]}
{"type":"purchase","ts":1772366460000,"event_id":"e2","user_id":"u1","amount":30,"tags":["a","b"],"paid_at":1772366459000}
not json
{"type":"purchase","ts":1772366470000,"event_id":"e3","user_id":"u1","amount":30.5,"note":null}
{"type":"purchase"}
{"type":"login","ts":"2026-03-01T12:02:00Z","user_id":7,"größe":{"in cm":180}}
"#;

#[test]
fn declarations_pass_check_and_fmt() {
    let folder = Folder::new();
    let sample = folder.file("sample.ndjson", SAMPLE);
    let ran = tripline(&["infer", &sample]).expect(0);
    insta::assert_snapshot!("sample", ran.out);
    insta::assert_snapshot!("sample_summary", folder.without(&ran.err));
    let rules = folder.file("inferred.rules", &ran.out);
    tripline(&["check", "--strict", &rules]).expect(0);
    tripline(&["fmt", "--check", &rules]).expect(0);
}

#[test]
fn standard_input_and_compressed_files_are_read() {
    let folder = Folder::new();
    let plain = tripline(&["infer", &folder.file("s.ndjson", SAMPLE)]).expect(0).out;
    assert_eq!(tripline_reading(&["infer", "-"], SAMPLE.as_bytes()).expect(0).out, plain);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(SAMPLE.as_bytes()).expect("memory takes it");
    let gz = folder.file("s.ndjson.gz", gz.finish().expect("memory takes it"));
    assert_eq!(tripline(&["infer", &gz]).expect(0).out, plain);
    let zst = zstd::encode_all(SAMPLE.as_bytes(), 1).expect("memory takes it");
    assert_eq!(tripline(&["infer", &folder.file("s.ndjson.zst", zst)]).expect(0).out, plain);
}

#[test]
fn the_fields_of_type_and_time_are_options() {
    let line = br#"{"kind":"a","at":{"ms":5},"no":9,"type":"x"}"#;
    let ran = tripline_reading(&["infer", "--type", "kind", "--time", "at.ms", "--id", "no", "-"], line).expect(0);
    assert!(ran.out.ends_with("# 1 event\nevent a type text  # always\n"), "{}", ran.out);
    let ran = tripline_reading(&["infer", "--event", "b", "--time", "at.ms", "-"], line).expect(0);
    assert!(ran.out.contains("event b\n  kind text,"), "{}", ran.out);
}

#[test]
fn a_sample_without_an_event_is_bad_input() {
    let ran = tripline_reading(&["infer", "-"], b"junk\n[]\n").expect(3);
    assert!(ran.out.is_empty() && ran.err.contains("0 events, 0 types, 2 lines refused"), "{ran:#?}");
    tripline(&["infer", "no/such/file"]).expect(3);
}
