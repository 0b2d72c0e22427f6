/// Numbers as a picture's labels show them.
enum NumberLabel {
  /// A number with a fixed count of digits after the point.
  ///
  /// - Precondition: It has at most 18 digits.
  static func decimal(_ value: Double, _ digits: Int) -> String {
    var unit = 1
    for _ in 0..<digits { unit *= 10 }
    let scaled = Int((abs(value) * Double(unit)).rounded()), fraction = "\(scaled % unit)"
    let sign = value < 0 && scaled > 0 ? "-" : ""
    if digits == 0 { return sign + "\(scaled)" }
    return sign + "\(scaled / unit)." + String(repeating: "0", count: digits - fraction.count) + fraction
  }

  /// A number as digits and a power of ten: `1.25e+20`.
  static func scientific(_ value: Double, _ digits: Int) -> String {
    guard value != 0 else { return "0" }
    var mantissa = abs(value), exponent = 0
    while mantissa >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
    while mantissa < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
    var text = decimal(mantissa, digits)
    if text.hasPrefix("10") { (text, exponent) = (decimal(mantissa / 10, digits), exponent + 1) }
    let places = abs(exponent) < 10 ? "0\(abs(exponent))" : "\(abs(exponent))"
    return (value < 0 ? "-" : "") + text + "e" + (exponent < 0 ? "-" : "+") + places
  }

  /// A number alone, in at most ten characters.
  static func single(_ value: Double) -> String {
    switch abs(value) {
    case 0: "0"
    case ..<1e-4: scientific(value, 1)
    case ..<10: decimal(value, 4)
    case ..<100: decimal(value, 3)
    case ..<1e6: decimal(value, 1)
    default: scientific(value, 2)
    }
  }

  /// The numbers of an axis, so that no two of them are alike.
  ///
  /// - Parameters:
  ///   - digits: After the point, where the numbers are small enough to be written out.
  ///   - step: The distance of neighbours.
  static func axis(_ values: [Double], digits: Int, step: Double) -> [String] {
    let largest = values.map { abs($0) }.max() ?? 0
    guard largest >= 1e7 else { return values.map { decimal($0, digits) } }
    var needed = 0, reach = step
    while reach < largest, needed < 16 { (reach, needed) = (reach * 10, needed + 1) }
    return values.map { scientific($0, needed) }
  }
}
