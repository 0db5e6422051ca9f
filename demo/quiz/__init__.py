"""The question bank and the answer checker."""

from demo.quiz.bank import Question, load, subjects
from demo.quiz.check import Verdict, check

__all__ = ["Question", "Verdict", "check", "load", "subjects"]
