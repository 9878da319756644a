"""The names of setup.py's packages without their bounds, for a try with the newest of each: `make test-newest`.

setuptools stays as it is: pykafka does not run with a newer one.
"""

from harness.requirements import requirements

if __name__ == "__main__":
    print(*sorted(requirements().keys() - {"setuptools"}))
