public import AutogradKernels

/// The element types: `Float` for training, `Double` for checks and for the C library.
public protocol TensorScalar: BinaryFloatingPoint, LosslessStringConvertible, BitwiseCopyable, Sendable {
  static var elementType: ElementType { get }
}

extension Float: TensorScalar {
  public static var elementType: ElementType { .float32 }
}

extension Double: TensorScalar {
  public static var elementType: ElementType { .float64 }
}
