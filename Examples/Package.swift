// swift-tools-version: 6.3
import PackageDescription

// Short programs, one idea each; `swift run --package-path Examples -c release 02-mlp` runs one,
// Scripts/test_examples all of them. A package of its own, so that nobody who uses the library builds them.
let names = [
  "01-first-gradient", "02-mlp", "03-your-own-operation", "04-your-own-layer", "05-train-on-your-text",
  "06-save-and-load", "07-your-own-transformer",
]

let package = Package(
  name: "examples",
  dependencies: [.package(name: "swift-autograd", path: "..")],
  targets: names.map { name in
    .executableTarget(
      name: name,
      dependencies: [
        .product(name: "Autograd", package: "swift-autograd"), .product(name: "AutogradLM", package: "swift-autograd"),
      ],
      path: name)
  },
  swiftLanguageModes: [.v6]
)
