//! Loads programs in parallel, because the kernel's verifier takes most of the agent's start.
//!
//! In: the object, candidates. Out: programs that can be attached, or the kernel's errors.

use std::{collections::HashMap, thread};

use aya::{
    Btf, BtfError, Ebpf,
    programs::{Program, ProgramError},
};

use super::candidates::{AttachPoint, Candidate};

/// The results of loading the programs.
pub(super) struct Programs {
    /// The kernel's types, for tracepoints.
    btf: Btf,
    results: HashMap<&'static str, Result<(), ProgramError>>,
}

impl Programs {
    /// Loads these programs in parallel.
    ///
    /// # Errors
    ///
    /// When the kernel's types cannot be read. [`Self::loaded`] returns the error of a refused
    /// program.
    pub(super) fn load(ebpf: &mut Ebpf, wanted: &[Candidate]) -> Result<Self, BtfError> {
        let mut results = HashMap::new();
        let found = ebpf.programs_mut().filter_map(|(name, program)| {
            let candidate = wanted.iter().find(|wanted| wanted.function == name)?;
            Some((*candidate, program))
        });
        // Programs of tracepoints need the kernel's types, which this thread reads while the other
        // threads load. They are short, so one thread loads them.
        let (traced, others): (Vec<_>, Vec<_>) =
            found.partition(|(candidate, _)| matches!(candidate.point, AttachPoint::Tracepoint(_)));
        let btf = thread::scope(|scope| {
            let mut loading = Vec::new();
            for (Candidate { function, .. }, program) in others {
                let load = move || load_without_types(program);
                match thread::Builder::new().spawn_scoped(scope, load) {
                    Ok(thread) => loading.push((function, thread)),
                    // `loaded` loads it.
                    Err(error) => {
                        tracing::debug!("{function} is not loaded in parallel: {error}");
                    }
                }
            }
            let btf = Btf::from_sys_fs()?;
            for (candidate, program) in traced {
                results.insert(candidate.function, load(program, candidate.point, &btf));
            }
            for (function, thread) in loading {
                let result = thread.join();
                results.insert(function, result.unwrap_or(Err(ProgramError::NotLoaded)));
            }
            Ok::<_, BtfError>(btf)
        })?;
        Ok(Self { btf, results })
    }

    /// The loaded program of a candidate. Loads it if that was not tried before.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the program.
    pub(super) fn loaded<'a>(
        &mut self,
        ebpf: &'a mut Ebpf,
        candidate: Candidate,
    ) -> Result<&'a mut Program, ProgramError> {
        let program = ebpf
            .program_mut(candidate.function)
            .ok_or(ProgramError::NotLoaded)?;
        match self.results.remove(candidate.function) {
            Some(result) => result?,
            // Loaded for a candidate that attaches in another way.
            None if program.fd().is_ok() => {}
            None => load(program, candidate.point, &self.btf)?,
        }
        Ok(program)
    }
}

fn load(program: &mut Program, point: AttachPoint, btf: &Btf) -> Result<(), ProgramError> {
    match (program, point) {
        (Program::BtfTracePoint(program), AttachPoint::Tracepoint(name)) => program.load(name, btf),
        (program, _) => load_without_types(program),
    }
}

fn load_without_types(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::CgroupSkb(program) => program.load(),
        Program::SocketFilter(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}
