import AutogradEngine
import CAutogradV2

@c @implementation func autograd_v2_impl_var_create_persistent(_ tensor: T!, _ requires_grad: Bool) -> V! {
  call("var_create_persistent", nil) { context throws(Misuse) in
    try context.persistentVariable(try context.check(tensor), requiresGradient: requires_grad, isParameter: false)
  }
}

@c @implementation func autograd_v2_impl_var_create_parameter(_ tensor: T!) -> V! {
  call("var_create_parameter", nil) { context throws(Misuse) in
    try context.persistentVariable(try context.check(tensor), requiresGradient: true, isParameter: true)
  }
}

@c @implementation func autograd_v2_impl_var_create_temp(_ tensor: T!, _ requires_grad: Bool) -> V! {
  call("var_create_temp", nil) { context throws(Misuse) in
    let tensor = try context.check(tensor)
    try context.reserve(operations: 1, "variable")
    let slot = context.core.append(
      try context.shape(of: tensor), data: UnsafeMutableRawPointer(tensor.pointee.data),
      requiresGradient: requires_grad)
    // A leaf wants its gradient whether or not operations are being recorded.
    context.core.nodes[slot].requiresGradient = requires_grad
    return try context.variable(of: slot, tensor)
  }
}

@c @implementation func autograd_v2_impl_var_zero_grad(_ variable: V!) {
  call("var_zero_grad", ()) { context throws(Misuse) in
    try context.zeroGradient(variable)
  }
}

extension Context {
  /// Zeroes a variable's gradient, which is then of this iteration.
  func zeroGradient(_ variable: V?) throws(Misuse) {
    let variable = try check(variable, "the variable")
    guard variable.pointee.requires_grad || variable.pointee.grad != nil else { return }
    if variable.pointee.private_kind == HeaderKind.persistentVariable {
      let tensor = try check(variable.pointee.data, "the variable's tensor")
      let parameter = try parameter(variable, try shape(of: tensor))
      parameter.claim(generation: core.generation, clock: core.clock)
      try lookAfter(parameter)
    }
    guard variable.pointee.grad != nil else { return }
    let gradient = try check(variable.pointee.grad, "the gradient")
    guard let data = gradient.pointee.data else { throw absent("the gradient's data") }
    data.update(repeating: 0, count: Int(gradient.pointee.size))
  }
}

@c @implementation func autograd_v2_impl_var_free_persistent(_ variable: V!) {
  call("var_free_persistent", ()) { context throws(Misuse) in
    // The arena sees to temporaries, of whatever iteration.
    guard let variable, !Context.isTemporary(variable) else { return }
    context.freePersistent(try context.check(variable, "the variable"))
  }
}
