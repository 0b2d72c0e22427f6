import AutogradEngine
import AutogradBase
import CAutogradV2

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

// The tokenizer and data set of dataset.h.

typealias TokenizerPointer = UnsafeMutablePointer<CharTokenizer>
typealias DatasetPointer = UnsafeMutablePointer<Dataset>

/// `char_to_id` holds 256 tokens by byte, then 256 bytes by token, then whether each byte has a token.
private let tableBytes = 768

extension Context {
  fileprivate func makeTokenizer(_ bytes: some Sequence<UInt8>) throws(Misuse) -> TokenizerPointer {
    let tokenizer = try make(CharTokenizer.self, .tokenizer)
    do throws(Misuse) {
      tokenizer.pointee.char_to_id = try memory(CChar.self, tableBytes)
    } catch {
      freeTokenizer(tokenizer)
      throw error
    }
    let table = tokenizer.pointee.char_to_id!
    table.update(repeating: 0, count: tableBytes)
    for byte in bytes { table[512 + Int(byte)] = 1 }
    var token = 0
    for byte in 0..<256 {
      table[byte] = CChar(bitPattern: UInt8(truncatingIfNeeded: table[512 + byte] == 1 ? token : 255))
      if table[512 + byte] == 0 { continue }
      table[256 + token] = CChar(bitPattern: UInt8(byte))
      token += 1
    }
    tokenizer.pointee.vocab_size = Int32(token)
    return tokenizer
  }

  fileprivate func freeTokenizer(_ tokenizer: TokenizerPointer) {
    freePart(tokenizer, .tokenizer) { free($0.pointee.char_to_id) }
  }

  fileprivate func makeTokenDataset(_ path: Bytes?, _ out: UnsafeMutablePointer<TokenizerPointer?>?) throws(Misuse)
    -> DatasetPointer
  {
    let bytes = try contents(path)
    guard !bytes.isEmpty else { throw Misuse("", "the file is empty", hint: "give a text") }
    let tokenizer = try makeTokenizer(bytes)
    do throws(Misuse) {
      let dataset = try make(Dataset.self, .dataset)
      do throws(Misuse) {
        dataset.pointee.tokens = try memory(Int32.self, bytes.count)
      } catch {
        freePart(dataset, .dataset) { _ in }
        throw error
      }
      for (index, byte) in bytes.enumerated() {
        dataset.pointee.tokens[index] = Int32(UInt8(bitPattern: tokenizer.pointee.char_to_id[Int(byte)]))
      }
      dataset.pointee.length = Int32(bytes.count)
      if let out { out.pointee = tokenizer } else { freeTokenizer(tokenizer) }
      return dataset
    } catch {
      freeTokenizer(tokenizer)
      throw error
    }
  }
}

@c @implementation func autograd_v2_impl_char_to_token(
  _ character: CChar, _ tokenizer: UnsafePointer<CharTokenizer>!
) -> Int32 {
  guard let table = tokenizer?.pointee.char_to_id else { return -1 }
  let byte = Int(UInt8(bitPattern: character))
  return table[512 + byte] == 1 ? Int32(UInt8(bitPattern: table[byte])) : -1
}

@c @implementation func autograd_v2_impl_token_to_char(
  _ token: Int32, _ tokenizer: UnsafePointer<CharTokenizer>!
) -> CChar {
  guard let tokenizer, tokenizer.pointee.char_to_id != nil, token >= 0, token < tokenizer.pointee.vocab_size else {
    return 0
  }
  return tokenizer.pointee.char_to_id[256 + Int(token)]
}

@c @implementation func autograd_v2_impl_create_char_tokenizer(_ text: Bytes!) -> TokenizerPointer! {
  call("create_char_tokenizer", nil) { context throws(Misuse) in
    guard let text else { throw absent("the text") }
    let length = strlen(text)
    guard length > 0 else { throw Misuse("", "the text is empty: it has no characters", hint: "give a text") }
    return try context.makeTokenizer(
      UnsafeRawBufferPointer(start: UnsafeRawPointer(text), count: length))
  }
}

@c @implementation func autograd_v2_impl_free_tokenizer(_ tokenizer: TokenizerPointer!) {
  call("free_tokenizer", ()) { context throws(Misuse) in
    try context.freeStruct(tokenizer, .tokenizer) { free($0.pointee.char_to_id) }
  }
}

@c @implementation func autograd_v2_impl_load_text_file(
  _ path: Bytes!, _ tokenizer: UnsafeMutablePointer<TokenizerPointer?>!
) -> DatasetPointer! {
  tokenizer?.pointee = nil
  return call("load_text_file", nil) { context throws(Misuse) in try context.makeTokenDataset(path, tokenizer) }
}

@c @implementation func autograd_v2_impl_load_shakespeare(
  _ tokenizer: UnsafeMutablePointer<TokenizerPointer?>!
) -> DatasetPointer! {
  tokenizer?.pointee = nil
  return call("load_shakespeare", nil) { context throws(Misuse) in
    try context.makeTokenDataset(autograd_v2_state_shakespeare(), tokenizer)
  }
}

@c @implementation func autograd_v2_impl_free_dataset(_ dataset: DatasetPointer!) {
  call("free_dataset", ()) { context throws(Misuse) in
    try context.freeStruct(dataset, .dataset) { free($0.pointee.tokens) }
  }
}

@c @implementation func autograd_v2_impl_get_batch(
  _ dataset: UnsafePointer<Dataset>!, _ batch_size: Int32, _ block_size: Int32, _ inputs: UnsafeMutablePointer<Int32>!,
  _ targets: UnsafeMutablePointer<Int32>!
) -> Int32 {
  call("get_batch", -1) { context throws(Misuse) in
    guard let dataset else { throw absent("the data set") }
    guard let tokens = dataset.pointee.tokens else {
      throw CellKind.dataset.unusable(dataset, "the data set's list of tokens")
    }
    guard let inputs, let targets else { throw absent("a place for tokens") }
    try context.fillBatch(
      tokens, Int(dataset.pointee.length), batchSize: Int(batch_size), blockSize: Int(block_size), inputs: inputs,
      targets: targets)
    return 0
  }
}

@c @implementation func autograd_v2_impl_save_tokenizer(
  _ tokenizer: UnsafePointer<CharTokenizer>!, _ path: Bytes!
) -> Int32 {
  call("save_tokenizer", -1) { context throws(Misuse) in
    guard let tokenizer else { throw absent("the tokenizer") }
    guard tokenizer.pointee.char_to_id != nil else {
      throw CellKind.tokenizer.unusable(tokenizer, "the tokenizer's table")
    }
    let bytes = (0..<Int(tokenizer.pointee.vocab_size)).map {
      JSON.integer(Int64(UInt8(bitPattern: tokenizer.pointee.char_to_id[256 + $0])))
    }
    let json = JSON.object([JSON.Member("type", .string("characters")), JSON.Member("bytes", .array(bytes))])
    try context.write(json.serialized(), to: path)
    return 0
  }
}

@c @implementation func autograd_v2_impl_load_tokenizer(_ path: Bytes!) -> TokenizerPointer! {
  call("load_tokenizer", nil) { context throws(Misuse) in
    let contents = try context.contents(path)
    let json: JSON
    do throws(JSONError) {
      json = try JSON(parsing: contents)
    } catch {
      throw Misuse(
        "", "\(String(cString: path)) is not a tokenizer's file: \(error)", hint: "write it with save_tokenizer")
    }
    var bytes: [UInt8] = []
    for value in json["bytes"]?.arrayValue ?? [] {
      guard case .integer(let number) = value, let byte = UInt8(exactly: number),
        bytes.last ?? 0 < byte || bytes.isEmpty
      else { throw Misuse("", "\(String(cString: path)): its bytes are not ascending numbers below 256") }
      bytes.append(byte)
    }
    guard json["type"]?.stringValue == "characters", !bytes.isEmpty else {
      throw Misuse("", "\(String(cString: path)) is not a tokenizer's file", hint: "write it with save_tokenizer")
    }
    return try context.makeTokenizer(bytes)
  }
}
