import pathlib
import tempfile
import unittest

import check_layers


class FaultTest(unittest.TestCase):

    def assert_allowed(self, path, included):
        self.assertIsNone(check_layers.fault(path, '"', included))

    def assert_refused(self, path, included, why):
        self.assertIn(why, check_layers.fault(path, '"', included) or "")

    def test_a_core_folder_uses_only_those_before_it(self):
        self.assert_allowed("core/nn/sampler.cc", "core/base/check.h")
        self.assert_refused("core/base/check.cc", "core/nn/sampler.h",
                            "core/base may not use core/nn")

    def test_roles_meet_only_in_proto(self):
        self.assert_allowed("actor/actor.cc", "rlhf/v1/rollout.pb.h")
        self.assert_refused("actor/actor.cc", "trainer/learner.h",
                            "actor may not use trainer")
        self.assert_refused("trainer/learner.cc", "feedback/http_api.h",
                            "trainer may not use feedback")

    def test_parts_of_the_trainer_do_not_use_the_trainer(self):
        self.assert_allowed("trainer/learner.cc", "trainer/ppo/ppo_loss.h")
        self.assert_refused("trainer/ppo/ppo_loss.cc", "trainer/learner.h",
                            "trainer/ppo may not use trainer")
        self.assert_refused("trainer/ppo/ppo_loss.cc", "trainer/optim/adamw.h",
                            "trainer/ppo may not use trainer/optim")
        self.assert_allowed("trainer/preference/pm_trainer.cc",
                            "trainer/optim/adamw.h")

    def test_the_command_line_uses_all_and_nothing_uses_it(self):
        self.assert_allowed("cli/main.cc", "trainer/learner.h")
        self.assert_refused("feedback/http_api.cc", "cli/verb.h",
                            "feedback may not use cli")

    def test_only_tests_include_test_helpers(self):
        self.assert_allowed("core/nn/sampler_test.cc", "tests/testing/temp_dir.h")
        self.assert_refused("core/nn/sampler.cc", "tests/testing/temp_dir.h",
                            "only tests")
        self.assert_allowed("tests/integration/loop_test.cc", "cli/verb.h")

    def test_third_party_headers_are_free_but_one(self):
        self.assert_allowed("core/base/json.h", "nlohmann/json.hpp")
        self.assertIn("30 s",
                      check_layers.fault("core/nn/a.h", "<", "torch/torch.h"))

    def test_an_include_without_a_folder_is_refused(self):
        self.assert_refused("core/base/check.cc", "check.h", "its path")


class CheckTreeTest(unittest.TestCase):

    def test_a_violation_names_file_and_line(self):
        with tempfile.TemporaryDirectory() as root:
            folder = pathlib.Path(root) / "actor"
            folder.mkdir()
            (folder / "a.cc").write_text(
                '#include "actor/a.h"\n#include "cli/verb.h"\n')
            found = check_layers.check_tree(pathlib.Path(root))
        self.assertEqual(
            found, ['actor/a.cc:2: "cli/verb.h": actor may not use cli'])

    def test_the_rule_has_no_cycle(self):
        def below(folder):
            return set(check_layers.LAYERS.get(folder) or [])

        for folder in check_layers.LAYERS:
            for other in below(folder):
                self.assertNotIn(folder, below(other), f"{folder}, {other}")


if __name__ == "__main__":
    unittest.main()
