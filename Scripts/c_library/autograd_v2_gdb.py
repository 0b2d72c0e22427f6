"""Shows TensorV2 and VariableV2 of libautograd_v2 by shape and numbers instead of by pointer.

gdb loads it with the shared library where the folder is on its auto-load safe-path; else, in gdb:

    source <prefix>/share/autograd_v2/autograd_v2_gdb.py
"""
import gdb
import gdb.printing

SHOWN = 8
KINDS = {
    0x54544147: "temporary", 0x50544147: "persistent", 0x54564147: "temporary", 0x50564147: "persistent",
    0x46544147: "freed", 0x46564147: "freed", 0x45544147: "ended", 0x45564147: "ended",
}


def kind_of(value):
    return KINDS.get(int(value["private_kind"]), "not of this library")


def shape_of(tensor):
    return [int(tensor["shape"][axis]) for axis in range(int(tensor["rank"]))]


def numbers_of(tensor):
    size = int(tensor["size"])
    shown = [f"{float(tensor['data'][index]):.6g}" for index in range(min(size, SHOWN))]
    return ", ".join(shown) + (", …" if size > SHOWN else "")


class TensorPrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        kind = kind_of(self.value)
        if kind in ("freed", "ended", "not of this library"):
            return f"tensor ({kind})"
        try:
            step = f" of step {int(self.value['private_step'])}" if kind == "temporary" else ""
            return f"tensor {shape_of(self.value)} ({kind}{step}) {{{numbers_of(self.value)}}}"
        except gdb.MemoryError:
            return f"tensor ({kind}, its memory is gone)"


class VariablePrinter:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        kind = kind_of(self.value)
        if kind in ("freed", "ended", "not of this library"):
            return f"variable ({kind})"
        gradient = " requires_grad" if self.value["requires_grad"] else ""
        parameter = " parameter" if self.value["is_parameter"] else ""
        return f"variable ({kind}{gradient}{parameter})"

    def children(self):
        for name in ("data", "grad"):
            pointer = self.value[name]
            yield name, pointer.dereference() if int(pointer) != 0 else pointer


def printers():
    collection = gdb.printing.RegexpCollectionPrettyPrinter("autograd_v2")
    collection.add_printer("TensorV2", "^TensorV2$", TensorPrinter)
    collection.add_printer("VariableV2", "^VariableV2$", VariablePrinter)
    return collection


gdb.printing.register_pretty_printer(gdb.current_objfile(), printers(), replace=True)
