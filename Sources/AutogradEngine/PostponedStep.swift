import CAutogradKernels
import AutogradKernels

/// A step of Adam that a parameter has yet to take.
///
/// The pass of an optimiser over large weights waits for memory; a product waits for arithmetic. So the step of a
/// weight that a product reads once is put off until that product reads it: see `Backend.multiply`. Whoever else wants
/// the values, or changes what the step needs, has it taken first, by `ParameterCore.settle`: nobody sees old ones.
@safe package struct PostponedStep {
  /// INVARIANT: its pieces are `count` pieces of this parameter, in order; `owner` keeps them and the moments.
  private let rule: ck_adam
  private let count: Int
  private let owner: AnyObject
  private let backend: Backend
  private let type: ElementType

  @unsafe package init(_ rule: ck_adam, count: Int, owner: AnyObject, backend: Backend, _ type: ElementType) {
    unsafe self.rule = unsafe rule
    self.count = count
    self.owner = owner
    self.backend = backend
    self.type = type
  }

  /// Takes the step for all of the parameter.
  ///
  /// INVARIANT: Adam takes no scratch memory: the backend's owner may be at work on another thread.
  func take() { unsafe backend.runPieces(rule, type, count: count) }

  /// The step's arguments for a kernel, valid during the call.
  @unsafe func withRule(_ body: (UnsafePointer<ck_adam>?) -> Bool) -> Bool {
    unsafe withUnsafePointer(to: rule) { unsafe body($0) }
  }
}
