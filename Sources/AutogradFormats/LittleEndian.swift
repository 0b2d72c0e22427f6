/// Appends whole words, lowest byte first.
func appendLittleEndian<Words: Collection>(_ words: Words, to bytes: inout [UInt8])
where Words.Element: FixedWidthInteger {
  let width = Words.Element.bitWidth / 8
  bytes.append(addingCapacity: words.count * width) { room in
    for word in words {
      for index in 0..<width { room.append(UInt8(truncatingIfNeeded: word >> (8 * index))) }
    }
  }
}

/// Appends one word, lowest byte first.
func appendLittleEndian<Word: FixedWidthInteger>(_ word: Word, to bytes: inout [UInt8]) {
  for index in 0..<Word.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: word >> (8 * index))) }
}
