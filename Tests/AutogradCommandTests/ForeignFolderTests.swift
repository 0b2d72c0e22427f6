import Foundation
import AutogradTestSupport
import Testing

/// `--resume` in folders that are no runs: whatever is there stays as it is.
@Suite("Foreign folders") struct ForeignFolderTests {
  /// Everything below a folder: names of folders, names and contents of files.
  private func snapshot(_ path: String) throws -> [String: Data] {
    var found: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
      found[name] = FileManager.default.contents(atPath: path + "/" + name) ?? Data()
    }
    return found
  }

  private func make(_ path: String, _ files: [String: String]) throws {
    for (name, content) in files {
      let file = URL(fileURLWithPath: path + "/" + name)
      try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(content.utf8).write(to: file)
    }
  }

  /// What lies about in folders: things with dots, with our names, and with names like ours.
  private let strangers = [
    "checkpoints/.mine/notes": "keep", "checkpoints/.step-00000001.tmp/x": "keep", ".autograd-0.tmp": "keep",
    "runs/first/notes": "keep", "runs/second/checkpoints/step-00000010/manifest.json": "{\"by\": \"others\"}",
    "runs/third/checkpoints/epoch-1/weights": "keep", "model/manifest.json": "{\"by\": \"others\"}",
  ]

  @Test(
    "a folder that holds no run is refused, and nothing in or above it changes",
    arguments: [
      ("runs/first", 3, "@/runs/first holds no run that could go on; name a run's folder or a checkpoint step-…, "),
      ("runs/first/", 3, "@/runs/first/ holds no run"), (".", 3, "@/. holds no run"),
      ("checkpoints/.mine", 3, "@/checkpoints/.mine holds no run"),
      ("runs/second", 8, "none of the checkpoints in @/runs/second/checkpoints can be used: "),
      ("runs/second/checkpoints/step-00000010", 8, "none of the checkpoints in @/runs/second/checkpoints can be used"),
      ("runs/third", 3, "@/runs/third holds no run"),
      ("model", 3, "@/model lies in no run's folder checkpoints"),
      ("runs/nothing", 3, "there is no checkpoint @/runs/nothing; check the path"),
    ])
  func refused(name: String, status: Int32, sentence: String) throws {
    try temporaryDirectory { path in
      try make(path, strangers)
      let before = try snapshot(path)
      let outcome = try autograd("train", "--resume", path + "/" + name)
      #expect(outcome.status == status, "\(outcome.errors)")
      #expect(outcome.errors.hasPrefix("error: " + sentence.replacing("@", with: path)), "\(outcome.errors)")
      #expect(outcome.errors.utf8.count { $0 == UInt8(ascii: "\n") } == 1)
      #expect(try snapshot(path) == before)
    }
  }

  @Test("a run beside strangers removes only what it made itself; a lock of somebody else's is not emptied")
  func beside() throws {
    let small = [
      "train", "--n-layer", "1", "--n-head", "1", "--n-embd", "8", "--block-size", "8", "--batch-size", "2",
      "--max-iters", "1", "--eval-iters", "1",
    ]
    try temporaryDirectory { path in
      try make(path, ["checkpoints/.mine/notes": "keep", ".autograd-x.tmp": "keep", ".autograd-7.tmp": "goes"])
      #expect(try autograd(small + ["--out", path]).status == 0)
      let after = try snapshot(path)
      #expect(after["checkpoints/.mine/notes"] != nil && after[".autograd-x.tmp"] != nil)
      #expect(after[".autograd-7.tmp"] == nil && after["checkpoints/step-00000001/manifest.json"] != nil)
    }
    try temporaryDirectory { path in
      try make(path, ["lock": "the key is under the mat"])
      let before = try snapshot(path), outcome = try autograd(small + ["--out", path])
      #expect(outcome.status == 3)
      #expect(
        outcome.errors
          == "error: \(path)/lock is no lock of a run, and would be emptied; move it away, or choose another folder (--out)\n")
      #expect(try snapshot(path) == before)
    }
  }
}
