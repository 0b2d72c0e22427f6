/// The place of a variable on its tape.
typealias Slot = Int

/// What the tape knows of one variable. A fixed-size plain value.
@safe struct Node: BitwiseCopyable {
  /// Names the variable for good: no other variable of any tape at this index ever has it.
  let serial: UInt64
  let shape: Shape
  /// INVARIANT: points at `shape.count` elements (Int32 for tokens) that live as long as the node.
  let data: UnsafeMutableRawPointer
  /// The gradient of a temporary, while it is needed.
  var gradient: UnsafeMutableRawPointer?
  /// The parameter that this is a use of. INVARIANT: retained by the tape until its reset.
  let parameter: Unmanaged<ParameterCore>?
  /// The record that made it, or −1.
  var record: Int
  var requiresGradient: Bool
  var retainsGradient = false
  let isTokens: Bool

  init(
    serial: UInt64, shape: Shape, data: UnsafeMutableRawPointer, parameter: Unmanaged<ParameterCore>? = nil,
    record: Int = -1, requiresGradient: Bool, isTokens: Bool = false
  ) {
    self.serial = serial
    self.shape = shape
    unsafe self.data = unsafe data
    unsafe self.gradient = nil
    unsafe self.parameter = unsafe parameter
    self.record = record
    self.requiresGradient = requiresGradient
    self.isTokens = isTokens
  }
}

/// One recorded operation: what backward needs to know. A fixed-size plain value.
@safe struct Record: BitwiseCopyable {
  let kind: OperationKind
  /// Slots of the inputs; −1 for an optional one that is absent.
  let inputs: InlineArray<4, Slot>
  let output: Slot
  /// Buffers kept for backward, in the arena.
  var saved = unsafe InlineArray<3, UnsafeMutableRawPointer?>(repeating: nil)
  var integers: InlineArray<4, Int>
  var scalars: InlineArray<2, Double>
  /// Backward has walked over it.
  var consumed = false
  let step: UInt64
}
