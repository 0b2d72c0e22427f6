/// The place of a variable on its tape.
package typealias Slot = Int

/// What the tape knows of one variable. A fixed-size plain value.
@safe package struct Node: BitwiseCopyable {
  /// Names the variable for good: no other variable of any tape at this index ever has it.
  package var serial: UInt64
  package var shape: Shape
  /// INVARIANT: points at `shape.count` elements (Int32 for tokens) that live as long as the node.
  package var data: UnsafeMutableRawPointer
  /// The gradient of a temporary, while it is needed.
  package var gradient: UnsafeMutableRawPointer?
  /// The parameter that this is a use of. INVARIANT: retained by the tape until its reset.
  package let parameter: Unmanaged<ParameterCore>?
  /// The parameter whose memory `data` is: `parameter`, or that of the variable which this is a reshape of.
  /// INVARIANT: a node before this one is a use of it, and ends no sooner.
  var memoryOf: Unmanaged<ParameterCore>?
  /// The record that made it, or −1.
  package var record: Int
  package var requiresGradient: Bool
  package var retainsGradient = false
  /// Gradients flow here in the walk that `backwardFromSeeds` is about to make.
  var isReached = false
  package let isTokens: Bool
  /// Another variable of the step has the same `data`: see `TapeCore.noteShared`.
  var isShared = false
  /// An operation that changes nothing has returned it as its result: it goes by two names.
  var isPassedOn = false
  /// The value was given up: `data` holds it only while `isRestored`.
  var isForgotten = false
  var isRestored = false

  package init(
    serial: UInt64, shape: Shape, data: UnsafeMutableRawPointer, parameter: Unmanaged<ParameterCore>? = nil,
    record: Int = -1, requiresGradient: Bool, isTokens: Bool = false
  ) {
    self.serial = serial
    self.shape = shape
    unsafe self.data = unsafe data
    unsafe self.gradient = nil
    unsafe self.parameter = unsafe parameter
    unsafe memoryOf = unsafe parameter
    self.record = record
    self.requiresGradient = requiresGradient
    self.isTokens = isTokens
  }
}

/// One recorded operation: what backward needs to know. A fixed-size plain value.
@safe package struct Record: BitwiseCopyable {
  package let kind: OperationKind
  /// Slots of the inputs; −1 for an optional one that is absent.
  package let inputs: InlineArray<6, Slot>
  package let output: Slot
  /// Buffers kept for backward, in the arena.
  package var saved = unsafe InlineArray<3, UnsafeMutableRawPointer?>(repeating: nil)
  package var integers: InlineArray<4, Int>
  package var scalars: InlineArray<2, Double>
  /// The versions of the parameters that the inputs lie in; their sum in the first where inputs are listed. See
  /// `checkUnchanged`.
  var versions = InlineArray<6, UInt32>(repeating: 0)
  /// Which list of records this one is on; see `TapeCore.recordTag`.
  package let tag: Int32
  /// Backward has walked over it.
  package var consumed = false
  package let step: UInt64
}
