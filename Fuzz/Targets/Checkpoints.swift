import AutogradBase
import AutogradModels
import AutogradTraining

extension FuzzTarget {
  /// Files of a checkpoint are named inside its folder, and what is accepted writes a manifest that says the same.
  static let manifest = FuzzTarget("manifest") { bytes throws(BrokenProperty) in
    let manifest = try accepted { () throws(CheckpointManifest.ManifestProblem) in
      try CheckpointManifest(parsing: bytes)
    }
    guard let manifest else { return false }
    for file in manifest.files {
      let hasOddByte = file.name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
      let isPlain = !hasOddByte && !["", ".", ".."].contains(file.name)
      try require(isPlain && file.byteCount >= 0, "a file \(file.name.quotedForMessage) of \(file.byteCount) bytes")
    }
    let again = try accepted { () throws(CheckpointManifest.ManifestProblem) in
      try CheckpointManifest(parsing: manifest.bytes)
    }
    try require(again == manifest, "a manifest reads back as another")
    return true
  }

  /// How far a run has come comes back as it was written.
  static let record = FuzzTarget("record") { bytes throws(BrokenProperty) in
    let json = try accepted { () throws(JSONError) in try JSON(parsing: bytes) }
    let model = try accepted { () throws(LanguageModelError) in
      try DecoderConfiguration(vocabularySize: 3, contextLength: 2, layerCount: 1, headCount: 1, channelCount: 2)
    }
    guard let json, let model else { return false }
    func read(_ json: JSON) throws(BrokenProperty) -> RunRecord? {
      try accepted { () throws(RecordProblem) in try RunRecord(json: json, model: model) }
    }
    guard let record = try read(json) else { return false }
    try require(try read(record.json)?.json == record.json, "a record reads back as another")
    return true
  }

  /// What a run begins with comes back as it was written.
  static let start = FuzzTarget("start") { bytes throws(BrokenProperty) in
    func read(_ bytes: [UInt8]) throws(BrokenProperty) -> RunRecord? {
      try accepted { () throws(CheckpointError) in try RunRecord(beginning: bytes, path: "run.json") }
    }
    guard let start = try read(bytes) else { return false }
    try require(try read(start.beginningBytes)?.beginningBytes == start.beginningBytes, "a run's beginning reads back as another")
    return true
  }
}
