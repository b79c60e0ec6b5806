"""Slurm, spoken to through its own commands: sacctmgr, scontrol, sacct, squeue and scancel."""
