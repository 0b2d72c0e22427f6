import CAutogradSystem

/// Runs of ASCII in a text, whose bytes are its characters.
package enum ASCIIRun {
  /// Writes the id of each byte of `text` from `offset` on, until one is no ASCII or has no id.
  ///
  /// - Parameters:
  ///   - ids: By byte: 128 of them; negative where there is none.
  ///   - place: Where the first goes; there must be room for as many as there are bytes.
  /// - Returns: How many bytes were done.
  package static func encode(
    _ text: Span<UInt8>, from offset: Int, ids: Span<Int32>, into tokens: inout MutableSpan<Int32>, at place: Int
  ) -> Int {
    let count = text.count - offset
    precondition(offset >= 0 && count >= 0 && ids.count == 128 && place >= 0 && place + count <= tokens.count)
    // INVARIANT: the bytes from the offset on, 128 ids and room for one id a byte were asked for above; where there is a
    // byte, none of the three is empty.
    return unsafe tokens.withUnsafeMutableBufferPointer { room in
      unsafe text.withUnsafeBufferPointer { bytes in
        unsafe ids.withUnsafeBufferPointer { table in
          count == 0
            ? 0
            : unsafe csystem_encode_ascii(
              bytes.baseAddress! + offset, count, table.baseAddress!, room.baseAddress! + place)
        }
      }
    }
  }

  /// Marks each byte of `text` from `offset` on, until one is no ASCII.
  ///
  /// - Parameter used: By byte; at least 128 of them.
  /// - Returns: How many bytes were done.
  package static func mark(_ text: Span<UInt8>, from offset: Int, in used: inout MutableSpan<UInt8>) -> Int {
    let count = text.count - offset
    precondition(offset >= 0 && count >= 0 && used.count >= 128)
    // INVARIANT: as above.
    return unsafe used.withUnsafeMutableBufferPointer { marks in
      unsafe text.withUnsafeBufferPointer { bytes in
        count == 0 ? 0 : unsafe csystem_mark_ascii(bytes.baseAddress! + offset, count, marks.baseAddress!)
      }
    }
  }
}

/// Tokens as bytes.
package enum PackedTokens {
  /// The lower 16 bits of each token, little-endian.
  package static func uint16(_ tokens: [Int32]) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: 2 * tokens.count) { room, count in
      // INVARIANT: there is room for two bytes a token, and all of them are written; where there is a token, neither array
      // is empty.
      unsafe tokens.withUnsafeBufferPointer { tokens in
        if let first = tokens.baseAddress, tokens.count > 0 {
          unsafe csystem_pack_uint16(first, tokens.count, room.baseAddress!)
        }
      }
      count = 2 * tokens.count
    }
  }
}
