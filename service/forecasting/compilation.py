"""Decorators that compile kernels with numba.

A kernel that Python calls is compiled at its first call and cached on disk. Those that only kernels call are parts:
numba would optimise each of them on its own, translate it to machine code that nothing runs, and optimise it again in
each of its callers, and in theirs. A part is only lowered; it is optimised with the kernel that Python calls.

LLVM optimises a kernel once and unrolls no loops: numba's two rounds and unrolled loops take twice as long to compile,
and the kernels are not faster for it (tiles hold what has to be unrolled).
"""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import binding as llvm
from numba import njit, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.typed_passes import InlineOverloads, NopythonRewrites
from numba.core.untyped_passes import (
    InlineClosureLikes,
    InlineInlinables,
    LiteralUnroll,
    MakeFunctionToJitFunction,
    WithLifting,
)
from numba.extending import intrinsic

Function = TypeVar("Function", bound=Callable[..., Any])


class _KernelLibrary(JITCodeLibrary):
    """The code of a kernel that Python calls."""

    def _optimize_functions(self, ll_module: Any) -> None:
        """Clean up what numba has generated; what takes long is left to the optimisation of the whole kernel."""
        ll_module.data_layout = self._codegen._data_layout
        builder = self._pass_builder(1)
        passes = builder.getFunctionPassManager()
        for function in ll_module.functions:
            if not function.is_declaration:
                passes.run(function, builder)

    def _optimize_final_module(self) -> None:
        builder = self._pass_builder(3)
        passes = builder.getModulePassManager()
        passes.add_refprune_pass()
        passes.run(self._final_module, builder)

    def _pass_builder(self, level: int) -> Any:
        options = llvm.create_pipeline_tuning_options(level)
        options.loop_vectorization, options.loop_unrolling = level > 1, False
        return llvm.create_pass_builder(self._codegen._tm, options)


class _PartLibrary(_KernelLibrary):
    """The code of a part, which is never run from here."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int | None:  # noqa: ARG002
        """Return what Python would call: it raises TypeError."""
        self._ensure_finalized()
        return ctypes.cast(ctypes.pythonapi.PyErr_BadArgument, ctypes.c_void_p).value

    @property
    def codegen(self) -> _PartLibrary:
        """Return where numba stores the environment, the constants of a function that needs the interpreter."""
        return self

    def set_env(self, name: str, env: Any) -> None:
        """Ignore the environment."""


# For what no kernel has: closures, comprehensions, array expressions, with statements, what is inlined before LLVM.
_UNUSED = (
    InlineClosureLikes,
    InlineInlinables,
    InlineOverloads,
    LiteralUnroll,
    MakeFunctionToJitFunction,
    NopythonRewrites,
    WithLifting,
)


class _KernelCompiler(Compiler):
    library: type[JITCodeLibrary] = _KernelLibrary

    def define_pipelines(self) -> Any:
        library = self.library(self.state.targetctx.codegen(), self.state.func_id.func_qualname)
        library.enable_object_caching()
        self.state.library = library
        pipelines = super().define_pipelines()
        for pipeline in pipelines:
            pipeline.passes = [(one, why) for one, why in pipeline.passes if one not in _UNUSED]
            pipeline.finalize()
        return pipelines


class _PartCompiler(_KernelCompiler):
    """Set here instead of by options: numba compiles what it provides, such as ``np.empty``, for each set of them."""

    library = _PartLibrary

    def define_pipelines(self) -> Any:
        self.state.flags.no_cpython_wrapper = True
        return super().define_pipelines()


class _InlinedCompiler(_PartCompiler):
    def define_pipelines(self) -> Any:
        self.state.flags.forceinline = True
        return super().define_pipelines()


def _kernel(function: Function, compiler: type[Compiler], cache: bool = False) -> Function:
    """Return a kernel that releases the GIL while it runs.

    fastmath: sums may be reordered, so that they can be vectorised. forceinline: always set, for numba would take an
    option that is not from the kernel that calls this one first. No caller in C needs a wrapper.
    """
    # Not all of its options are in numba's annotations.
    decorator: Callable[..., Any] = njit
    kernel: Function = decorator(
        pipeline_class=compiler, cache=cache, fastmath=True, boundscheck=False, error_model="numpy", nogil=True,
        forceinline=False, no_cfunc_wrapper=True,
    )(function)  # fmt: skip
    return kernel


def compiled(function: Function) -> Function:
    """Compile a kernel at its first call, and cache it on disk."""
    return _kernel(function, _KernelCompiler, cache=True)


def part(function: Function) -> Function:
    """Compile a kernel with those that call it; one that Python calls directly raises TypeError."""
    return _kernel(function, _PartCompiler)


def inlined(function: Function) -> Function:
    """Compile a kernel into each of its callers.

    For functions of tiles, which stay in registers, and for those of a few instructions. A caller must hold a reference
    to the arrays whose pointers it takes.
    """
    return _kernel(function, _InlinedCompiler)


def _runtime(_: Any, value: Any) -> Any:
    """Return a number without its literal type: numba would compile a kernel for each literal it is called with."""
    kind = types.unliteral(value)
    return kind(kind), lambda _context, _builder, _signature, args: args[0]


runtime: Callable[..., Any] = intrinsic(_runtime)
