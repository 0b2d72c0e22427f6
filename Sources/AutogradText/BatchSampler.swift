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
  /// - Precondition: Both buffers hold exactly B·T tokens.
  /// - Complexity: O(B·T); allocates nothing.
  func fill(batch: UInt64, inputs: UnsafeMutableBufferPointer<Int32>, targets: UnsafeMutableBufferPointer<Int32>)
}
