/// Draws batches of token windows, the same ones for the same number on every run.
///
/// There is no state: any batch can be drawn without the ones before it, so a resumed run sees what an
/// uninterrupted one would have seen.
public protocol BatchSampler: Sendable {
  /// T: tokens per window.
  var blockSize: Int { get }
  /// B: windows per batch.
  var batchSize: Int { get }

  /// Fills batch number `batch`.
  ///
  /// Shapes: `inputs` [B, T], `targets` [B, T], row-major; targets[b, t] is the token after inputs[b, t].
  ///
  /// - Throws: Where tokens cannot be read. The trainer saves, then ends with the error; a resume asks for the same batch.
  /// - Precondition: Both hold exactly B·T tokens.
  /// - Complexity: O(B·T); allocates nothing.
  func fill(batch: UInt64, inputs: inout MutableSpan<Int32>, targets: inout MutableSpan<Int32>) throws
}

extension BatchSampler {
  /// Stops where the buffers of a batch do not have its size.
  func requireRoom(inputs: Int, targets: Int, _ name: String) {
    guard inputs == batchSize * blockSize, targets == inputs else {
      fatalError(
        "\(name): a batch of \(batchSize) x \(blockSize) does not fit "
          + "buffers of \(inputs) inputs and \(targets) targets")
    }
  }
}
