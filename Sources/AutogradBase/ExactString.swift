/// Wraps a string so that it compares and hashes by its UTF-8 bytes.
///
/// `String` itself compares by Unicode canonical equivalence: "é" written as one scalar equals "e" followed
/// by a combining accent. Files mean bytes, so names that come from files are kept in tables under this key.
public struct ExactString: Hashable, Sendable {
  public let string: String

  public init(_ string: String) { self.string = string }

  public static func == (left: ExactString, right: ExactString) -> Bool {
    left.string.hasSameBytes(as: right.string)
  }

  public func hash(into hasher: inout Hasher) {
    var string = string
    // At once: byte by byte, finding duplicates would be most of the time of reading.
    // INVARIANT: the buffer is only read, and only during the call.
    string.withUTF8 { unsafe hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    hasher.combine(0xFF as UInt8)  // stands in no UTF-8: strings hashed one after another stay apart
  }
}

extension String {
  /// Tells whether both strings have the same UTF-8 bytes; stricter than `==`.
  public func hasSameBytes(as other: String) -> Bool {
    utf8.elementsEqual(other.utf8)
  }

  /// The string between double quotes, safe to print: control characters escaped, cut after 60 characters.
  ///
  /// For names from files in error messages; not reversible.
  public var quotedForMessage: String {
    let end = unicodeScalars.index(unicodeScalars.startIndex, offsetBy: 60, limitedBy: unicodeScalars.endIndex)
    guard let end, end != unicodeScalars.endIndex else { return "\"" + escapedForDisplay + "\"" }
    return "\"" + String(unicodeScalars[..<end]).escapedForDisplay + "…\""
  }

  /// The string with everything escaped that a terminal might obey or that shows nothing; not reversible.
  public var escapedForDisplay: String {
    var text = ""
    for scalar in unicodeScalars {
      switch scalar.properties.generalCategory {
      case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned:
        text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      default:
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  /// The string with everything escaped that commands a terminal or reorders what it shows; lines and tabs, joined
  /// characters and all that is merely unusual stay. For texts that somebody else wrote.
  public var escapedForTerminal: String {
    var text = ""
    for scalar in unicodeScalars {
      switch scalar.value {
      case 0x09, 0x0A: text.unicodeScalars.append(scalar)
      // Commands; embeddings, overrides and isolates of directions.
      case 0..<0x20, 0x7F..<0xA0, 0x202A...0x202E, 0x2066...0x2069:
        text += "\\u{\(String(scalar.value, radix: 16, uppercase: true))}"
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}
