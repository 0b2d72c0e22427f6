import CAutogradSystem

/// Characters of texts as numbers, many at a time.
package enum TextBytes {
  /// Pages of 256 code points.
  package static let pageCount = 0x1100

  /// Writes the id of each character of UTF-8 text, until one is malformed or cut off, or has no id.
  ///
  /// - Parameters:
  ///   - pages: By the upper bits of code points, where in `ids` those of the page begin, in 256s.
  ///   - ids: Negative where there is none.
  ///   - place: Where the first goes; there must be room for as many as there are bytes.
  /// - Returns: How many bytes were done, and how many ids written.
  package static func encode(
    _ text: Span<UInt8>, pages: [UInt16], ids: [Int32], into tokens: inout MutableSpan<Int32>, at place: Int
  ) -> (byteCount: Int, count: Int) {
    precondition(pages.count == pageCount && place >= 0 && place + text.count <= tokens.count)
    precondition(pages.allSatisfy { (Int($0) + 1) * 256 <= ids.count })
    if text.isEmpty { return (0, 0) }
    var count = 0
    // INVARIANT: there is room for one id a byte, and every page's ids exist, which was asked above; none of the arrays is
    // empty.
    let byteCount = unsafe tokens.withUnsafeMutableBufferPointer { room in
      unsafe text.withUnsafeBufferPointer { bytes in
        unsafe csystem_encode_text(bytes.baseAddress!, bytes.count, pages, ids, room.baseAddress! + place, &count)
      }
    }
    return (byteCount, count)
  }

  /// Marks each character of UTF-8 text, until one is malformed or cut off.
  ///
  /// - Parameter used: By code point, and behind all of them by page.
  /// - Returns: How many bytes were done, and how many characters there were.
  package static func mark(_ text: Span<UInt8>, in used: inout [UInt8]) -> (byteCount: Int, count: Int) {
    precondition(used.count == 0x110000 + pageCount)
    if text.isEmpty { return (0, 0) }
    var count = 0
    // INVARIANT: there is a mark for every code point and every page, which was asked above.
    let byteCount = unsafe used.withUnsafeMutableBufferPointer { marks in
      unsafe text.withUnsafeBufferPointer { bytes in
        unsafe csystem_mark_text(
          bytes.baseAddress!, bytes.count, marks.baseAddress!, marks.baseAddress! + 0x110000, &count)
      }
    }
    return (byteCount, count)
  }

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
