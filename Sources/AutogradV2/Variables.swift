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
    try context.core.reserve(operations: 1, "variable")
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
    let variable = try context.check(variable, "the variable")
    guard variable.pointee.requires_grad || variable.pointee.grad != nil else { return }
    if variable.pointee.private_kind == HeaderKind.persistentVariable {
      let tensor = try context.check(variable.pointee.data, "the variable's tensor")
      let parameter = try context.parameter(variable, try context.shape(of: tensor))
      parameter.claim(generation: context.core.generation, clock: context.core.clock)
    }
    guard variable.pointee.grad != nil else { return }
    let gradient = try context.check(variable.pointee.grad, "the gradient")
    gradient.pointee.data.update(repeating: 0, count: Int(gradient.pointee.size))
  }
}

@c @implementation func autograd_v2_impl_var_free_persistent(_ variable: V!) {
  call("var_free_persistent", ()) { context throws(Misuse) in
    guard variable != nil else { return }
    let variable = try context.check(variable, "the variable")
    guard variable.pointee.private_kind == HeaderKind.persistentVariable else {
      throw Misuse("", "the variable is temporary", hint: "temporaries end by themselves at the reset")
    }
    context.freePersistent(variable)
  }
}
