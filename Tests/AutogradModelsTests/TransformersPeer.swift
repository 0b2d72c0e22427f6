import AutogradBase
import AutogradFormats
import AutogradTestSupport
import Foundation
import Testing

/// Hugging Face's own code, where `AUTOGRAD_PYTHON` names a Python with torch and transformers.
enum TransformersPeer {
  static let python = PythonPeer.python

  /// Runs Scripts/transformers_peer.py, or another script there.
  static func ask(
    _ arguments: [String], _ input: JSON = .null, script name: String = "transformers_peer.py"
  ) throws -> JSON {
    try PythonPeer.ask(name, arguments, input)
  }

  /// Models of every family in three shapes, and their numbers: made once.
  static let families = Result { () throws -> String in
    let folder = NSTemporaryDirectory() + "families-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    _ = try ask(["family", folder])
    return folder
  }
}
