import AutogradEngine
import CAutogradV2
import CAutogradKernels

// C's names of comparisons, of the choice by a mask, and of picking by number.

@c @implementation func autograd_v2_impl_ag_less(_ a: V!, _ b: V!) -> V! {
  compare("ag_less", CK_LESS, a, b)
}

@c @implementation func autograd_v2_impl_ag_less_equal(_ a: V!, _ b: V!) -> V! {
  compare("ag_less_equal", CK_LESS_EQUAL, a, b)
}

@c @implementation func autograd_v2_impl_ag_greater(_ a: V!, _ b: V!) -> V! {
  compare("ag_greater", CK_LESS, a, b, exchanged: true)
}

@c @implementation func autograd_v2_impl_ag_greater_equal(_ a: V!, _ b: V!) -> V! {
  compare("ag_greater_equal", CK_LESS_EQUAL, a, b, exchanged: true)
}

@c @implementation func autograd_v2_impl_ag_equal(_ a: V!, _ b: V!) -> V! {
  compare("ag_equal", CK_EQUAL, a, b)
}

@c @implementation func autograd_v2_impl_ag_not_equal(_ a: V!, _ b: V!) -> V! {
  compare("ag_not_equal", CK_NOT_EQUAL, a, b)
}

private func compare(
  _ name: StaticString, _ op: ck_binary_op, _ a: V?, _ b: V?, exchanged: Bool = false
) -> V? {
  operation(name, a, b) { c, x, y throws(Misuse) in
    exchanged ? try c.compare(op, y, x, name) : try c.compare(op, x, y, name)
  }
}

@c @implementation func autograd_v2_impl_ag_where(_ mask: V!, _ a: V!, _ b: V!) -> V! {
  call("ag_where", nil) { context throws(Misuse) in
    try context.record("ag_where") { () throws(Misuse) in
      let m = try context.slot(mask, "the mask"), x = try context.slot(a, argument: 2)
      let slot = try context.core.select(m, x, try context.slot(b, argument: 3))
      return try context.finish("ag_where", slot, mask, a, b)
    }
  }
}

@c @implementation func autograd_v2_impl_ag_gather(
  _ x: V!, _ tokens: UnsafePointer<Int32>!, _ shape: UnsafePointer<Int32>!, _ rank: Int32, _ axis: Int32
) -> V! {
  call("ag_gather", nil) { context throws(Misuse) in
    try context.record("ag_gather") { () throws(Misuse) in
      let input = try context.slot(x, argument: 1)
      let ids = try context.tokens(tokens, try context.shape(shape, rank))
      return try context.finish("ag_gather", try context.core.gather(input, ids, axis: Int(axis)), x)
    }
  }
}
