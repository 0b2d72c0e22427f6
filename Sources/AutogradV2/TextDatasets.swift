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

// The data set of text_utils.h.

typealias TextDatasetPointer = UnsafeMutablePointer<TextDataset>
typealias BatchPointer = UnsafeMutablePointer<Batch>

extension Context {
  fileprivate func makeDataset(_ bytes: [UInt8]) throws(Misuse) -> TextDatasetPointer {
    let dataset = try make(TextDataset.self, .textDataset)
    do throws(Misuse) {
      dataset.pointee.text = try memory(CChar.self, bytes.count + 1)
      for (index, byte) in bytes.enumerated() { dataset.pointee.text[index] = CChar(bitPattern: byte) }
      dataset.pointee.text[bytes.count] = 0
      dataset.pointee.text_len = bytes.count
      let text = UnsafeRawPointer(dataset.pointee.text).assumingMemoryBound(to: UInt8.self)
      dataset.pointee.vocab = try makeVocabulary(text, bytes.count)
      dataset.pointee.tokens = try makeTokens(dataset.pointee.vocab, text, bytes.count)
      dataset.pointee.num_tokens = bytes.count
      return dataset
    } catch {
      freeDataset(dataset)
      throw error
    }
  }

  fileprivate func freeDataset(_ dataset: TextDatasetPointer) { freePart(dataset, .textDataset, freeParts) }

  fileprivate func freeParts(_ dataset: TextDatasetPointer) {
    free(dataset.pointee.text)
    free(dataset.pointee.tokens)
    freeVocabulary(dataset.pointee.vocab)
  }

  /// Copies `batchSize` random windows and the same one further, window after window.
  func fillBatch(
    _ tokens: UnsafePointer<Int32>, _ count: Int, batchSize: Int, blockSize: Int,
    inputs: UnsafeMutablePointer<Int32>, targets: UnsafeMutablePointer<Int32>
  ) throws(Misuse) {
    guard batchSize > 0, blockSize > 0 else {
      throw Misuse("", "batch_size is \(batchSize), block_size is \(blockSize)", hint: "both must be at least 1")
    }
    guard count > blockSize else {
      throw Misuse(
        "", "\(count) tokens do not hold a window of \(blockSize) and the token after it",
        hint: "make block_size smaller, or take a longer text")
    }
    var random = batchStream()
    for row in 0..<batchSize {
      let start = windowStart(&random, count: count, length: blockSize)
      (inputs + row * blockSize).update(from: tokens + start, count: blockSize)
      (targets + row * blockSize).update(from: tokens + start + 1, count: blockSize)
    }
  }

  fileprivate func makeBatch(_ dataset: UnsafePointer<TextDataset>, _ batchSize: Int, _ blockSize: Int)
    throws(Misuse) -> BatchPointer
  {
    guard batchSize > 0, blockSize > 0 else {
      throw Misuse("", "batch_size is \(batchSize), block_size is \(blockSize)", hint: "both must be at least 1")
    }
    let batch = try make(Batch.self, .batch)
    do throws(Misuse) {
      let (total, overflow) = batchSize.multipliedReportingOverflow(by: blockSize)
      guard !overflow else { throw Misuse("", "a batch of \(batchSize) × \(blockSize) tokens") }
      batch.pointee.inputs = try rows(batchSize, blockSize, total)
      batch.pointee.targets = try rows(batchSize, blockSize, total)
      batch.pointee.batch_size = Int32(batchSize)
      batch.pointee.block_size = Int32(blockSize)
      try fillBatch(
        dataset.pointee.tokens, dataset.pointee.num_tokens, batchSize: batchSize, blockSize: blockSize,
        inputs: batch.pointee.inputs[0]!, targets: batch.pointee.targets[0]!)
      return batch
    } catch {
      freeBatch(batch)
      throw error
    }
  }

  /// Pointers to rows that lie one after the other.
  private func rows(_ count: Int, _ length: Int, _ total: Int) throws(Misuse)
    -> UnsafeMutablePointer<UnsafeMutablePointer<Int32>?>
  {
    let list = try memory(UnsafeMutablePointer<Int32>?.self, count)
    do throws(Misuse) {
      let tokens = try memory(Int32.self, total)
      for row in 0..<count { list[row] = tokens + row * length }
      return list
    } catch {
      free(list)
      throw error
    }
  }

  fileprivate func freeBatch(_ batch: BatchPointer) { freePart(batch, .batch, freeParts) }

  fileprivate func freeParts(_ batch: BatchPointer) {
    if let inputs = batch.pointee.inputs { free(inputs[0]) }
    if let targets = batch.pointee.targets { free(targets[0]) }
    free(batch.pointee.inputs)
    free(batch.pointee.targets)
  }
}

@c @implementation func autograd_v2_impl_dataset_load_file(_ path: Bytes!) -> TextDatasetPointer! {
  call("dataset_load_file", nil) { context throws(Misuse) in
    let bytes = try context.contents(path)
    guard !bytes.isEmpty else { throw Misuse("", "the file is empty", hint: "give a text") }
    return try context.makeDataset(bytes)
  }
}

@c @implementation func autograd_v2_impl_dataset_free(_ dataset: TextDatasetPointer!) {
  call("dataset_free", ()) { context throws(Misuse) in
    try context.freeStruct(dataset, .textDataset, context.freeParts)
  }
}

@c @implementation func autograd_v2_impl_dataset_print_stats(_ dataset: UnsafePointer<TextDataset>!) {
  guard let dataset else { return }
  let text = "\(dataset.pointee.text_len) bytes, \(dataset.pointee.num_tokens) tokens, "
    + "\(dataset.pointee.vocab?.pointee.vocab_size ?? 0) different characters"
  _ = text.withCString { puts($0) }
}

@c @implementation func autograd_v2_impl_batch_create_random(
  _ dataset: UnsafePointer<TextDataset>!, _ batch_size: Int32, _ block_size: Int32
) -> BatchPointer! {
  call("batch_create_random", nil) { context throws(Misuse) in
    guard let dataset else { throw absent("the data set") }
    guard dataset.pointee.tokens != nil else {
      throw CellKind.textDataset.unusable(dataset, "the data set's list of tokens")
    }
    return try context.makeBatch(dataset, Int(batch_size), Int(block_size))
  }
}

@c @implementation func autograd_v2_impl_batch_free(_ batch: BatchPointer!) {
  call("batch_free", ()) { context throws(Misuse) in try context.freeStruct(batch, .batch, context.freeParts) }
}
