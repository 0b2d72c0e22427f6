import CAutogradKernels
import AutogradKernels

/// An update by an optimiser's rule that a parameter's values have yet to see.
///
/// The pass of an optimiser over large weights waits for memory; a product waits for arithmetic. So the update of a
/// weight that a product reads once is deferred until that product reads it: see `Backend.multiply`. Whoever else wants
/// the values, or changes what the update needs, has it applied first, by `ParameterCore.applyDeferredUpdate`: nobody
/// sees old ones.
@safe package struct DeferredUpdate {
  /// INVARIANT: its pieces are `count` pieces of this parameter, in order; `owner` keeps them, the states and what the
  /// rule's context points at.
  private let rule: ck_rule
  private let count: Int
  private let owner: AnyObject
  private let backend: Backend
  private let type: ElementType

  @unsafe package init(_ rule: ck_rule, count: Int, owner: AnyObject, backend: Backend, _ type: ElementType) {
    unsafe self.rule = unsafe rule
    self.count = count
    self.owner = owner
    self.backend = backend
    self.type = type
  }

  /// Updates all of the parameter.
  ///
  /// INVARIANT: rules take no scratch memory: the backend's owner may be at work on another thread.
  func apply() { unsafe backend.runPieces(rule, type, count: count) }

  /// The rule as a kernel's argument, valid during the call.
  @unsafe func withRule(_ body: (UnsafePointer<ck_rule>?) -> Bool) -> Bool {
    unsafe withUnsafePointer(to: rule) { unsafe body($0) }
  }
}
