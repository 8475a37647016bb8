"""Imported by a fork server before it forks, so that the runs of a sweep begin with torch there, and save often."""

import os

from qmix_edu import pools, runs

pools.START_METHOD = "fork"  # for the runs of a sweep that is forked itself: nothing has started a thread there
runs.SAVE_EVERY_SECONDS = -1.0
os.fsync = lambda _: None  # only a power cut needs it, and it is slow
