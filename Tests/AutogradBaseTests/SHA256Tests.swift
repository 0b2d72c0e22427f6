import CAutogradSystem
import Testing

@testable import AutogradBase

@Suite("SHA-256")
struct SHA256Tests {
  /// FIPS 180-4's examples, as NIST publishes them, and the empty message.
  static let published: [(message: [UInt8], hash: String)] = [
    ([], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (Array("abc".utf8), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
    (
      Array(
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
          .utf8),
      "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"
    ),
    (
      Array(repeating: UInt8(ascii: "a"), count: 1_000_000),
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    ),
  ]

  @Test("gives the published hashes, with and without instructions for it", arguments: [true, false])
  func published(isPortable: Bool) {
    for (message, hash) in Self.published {
      var sha = SHA256(isPortable: isPortable)
      sha.update(message)
      #expect(hexadecimal(sha.finalize()) == hash)
    }
  }

  @Test("does not depend on how the bytes are cut, nor on the instructions, at every length around a block")
  func cuts() {
    let bytes = (0..<300).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) }
    for length in 0...bytes.count {
      var whole = SHA256(), portable = SHA256(isPortable: true), cut = SHA256()
      whole.update(Array(bytes[..<length]))
      portable.update(Array(bytes[..<length]))
      let first = length * 2 / 5, second = length * 3 / 4
      for piece in [bytes[..<first], bytes[first..<second], bytes[second..<length]] { cut.update(Array(piece)) }
      #expect(whole.finalize() == portable.finalize())
      #expect(whole.finalize() == cut.finalize())
    }
  }

  private func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
