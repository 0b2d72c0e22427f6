/// The element types of stored tensors; the raw value is the name that safetensors files use.
///
/// Types narrower than a byte (F4, F6) are not listed: files that have them are refused by name.
public enum TensorDType: String, Sendable, CaseIterable {
  case f64 = "F64"
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case i64 = "I64"
  case i32 = "I32"
  case i16 = "I16"
  case i8 = "I8"
  case u64 = "U64"
  case u32 = "U32"
  case u16 = "U16"
  case u8 = "U8"
  case bool = "BOOL"
  case c64 = "C64"
  case f8e4m3 = "F8_E4M3"
  case f8e5m2 = "F8_E5M2"
  case f8e8m0 = "F8_E8M0"

  public var name: String { rawValue }

  /// Whether `SafetensorsFile.floats` reads it.
  public var isReal: Bool { encoding.isReal }

  /// What its bytes mean.
  public var encoding: TensorEncoding {
    switch self {
    case .f64: .double
    case .f32: .single
    case .f16: .half
    case .bf16: .bfloat16
    default: TensorEncoding(name: name, byteCount: byteCount)
    }
  }

  /// The size of one element in bytes.
  public var byteCount: Int {
    switch self {
    case .f64, .i64, .u64, .c64: 8
    case .f32, .i32, .u32: 4
    case .f16, .bf16, .i16, .u16: 2
    case .i8, .u8, .bool, .f8e4m3, .f8e5m2, .f8e8m0: 1
    }
  }
}

/// The value of an IEEE half-precision number given by its bits; exact, NaN stays NaN.
///
/// Without branches, so that loops over many of them become vector instructions: exponent and fraction, moved to where
/// a float has them, are 2¹¹² times too small, zero and denormals included; infinity and NaN get back their exponent.
@inline(__always)
func float(halfBits bits: UInt16) -> Float {
  let magnitude = UInt32(bits & 0x7FFF) << 13
  let value = Float(bitPattern: magnitude) * 0x1p112
  let special: UInt32 = magnitude >= 0x0F80_0000 ? 0x7F80_0000 : 0
  return Float(bitPattern: value.bitPattern | special | UInt32(bits & 0x8000) << 16)
}

/// The value of a bfloat16 number given by its bits: the upper half of a float's.
@inline(__always)
func float(bfloat16Bits bits: UInt16) -> Float {
  Float(bitPattern: UInt32(bits) << 16)
}

/// The bits of the nearest bfloat16 number, the even one where two are as near; NaN stays NaN.
func bfloat16Bits(of value: Float) -> UInt16 {
  let bits = value.bitPattern
  // Rounding could carry a NaN's fraction into the exponent and the sign.
  if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
  return UInt16(truncatingIfNeeded: (bits + 0x7FFF + (bits >> 16 & 1)) >> 16)
}

/// The bits of the nearest IEEE half-precision number, the even one where two are as near; infinity beyond the largest,
/// NaN stays NaN.
func halfBits(of value: Float) -> UInt16 {
  let magnitude = value.bitPattern & 0x7FFF_FFFF, sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16 & 0x8000)
  switch magnitude {
  case 0x7F80_0001...: return sign | 0x7E00
  case 0x4780_0000...: return sign | 0x7C00  // from 2¹⁶ on
  case ..<0x3880_0000:  // below 2⁻¹⁴: added to ½, the last bit of a float is worth what that of a denormal half is
    return sign | UInt16(truncatingIfNeeded: (Float(bitPattern: magnitude) + 0.5).bitPattern &- 0x3F00_0000)
  default:
    // The exponents' zero points differ by 112; rounding may carry into the exponent, up to infinity.
    return sign | UInt16(truncatingIfNeeded: (magnitude &+ 0xFFF &+ (magnitude >> 13 & 1) &- (112 << 23)) >> 13)
  }
}
