"""Format adapters with one fault each in what versions ask for; `FAULTS` says which tests must find it."""

import re

from faulty_formats import CONTROL, Sound
from orbitalreg_toy import ALLOWED, NEED

from orbitalreg.model import Requirement

BAD_PLACES = "test_bad_environments_are_refused"
ANY_PLACE = "test_any_text_as_an_environment_has_a_normal_form_or_is_invalid"
COUNT = "test_requirements_count_where_they_are_said_to"
ANY_TEXT = "test_any_text_is_a_requirement_or_told_as_it_stands"
EXTRAS = "test_extras_only_add"
NOT_YANKED = "test_what_is_not_yanked_is_offered_before_what_is"
ALLOWED_ALONE = "test_candidates_are_those_that_an_installer_may_take"
ANY_SPECIFIER = "test_candidates_of_any_specifier_are_offers_in_their_order"
TOGETHER = "test_what_counts_together_allows_no_more_than_its_versions_and_alone_the_same"
ONE_EACH = "test_one_file_is_offered_of_each_version_the_greatest_first"
ORDER = "test_the_order_of_a_listing_changes_no_offer"


class TitledPlace(Sound):
    """Spells an environment otherwise than the format does."""

    def environment(self, text):
        return super().environment(text).title()


class AnyPlace(Sound):
    """Takes everything for the one environment that there is."""

    def environment(self, text):
        return "toybox"


class LeakyPlace(Sound):
    """Raises what its table raised."""

    def environment(self, text):
        return {"toybox": "toybox"}[text.lower()]


class Markerless(Sound):
    """Needs everything always."""

    def requirements(self, stated, environment, extras=()):
        return super().requirements([text.rpartition("?")[2] if "?" in text else text for text in stated], environment)


class ExtrasAlone(Sound):
    """Forgets what is needed always where a part is asked for."""

    def requirements(self, stated, environment, extras=()):
        return super().requirements([text for text in stated if "?" in text or not extras], environment, extras)


class LeakyNeeds(Sound):
    """Takes for granted that what is stated is a need."""

    def requirements(self, stated, environment, extras=()):
        return [found for text in stated if re.fullmatch(NEED, text)[2] for found in self._read(text, extras)]

    def _read(self, text, extras):
        return super().requirements([text], "toybox", extras)


class NothingOutside(Sound):
    """Knows what is needed of its own files alone."""

    def stated_requirements(self, file, document):
        return file.requirements


class LeakyStated(Sound):
    """Takes for granted that what it reads is text."""

    def stated_requirements(self, file, document):
        return super().stated_requirements(file, lambda kind: document(kind).decode().encode())


class OffersAll(Sound):
    """Offers every file of a version."""

    def offers(self, listing, environment):
        files = [file for file in listing.files if file.version]
        return sorted(files, key=lambda file: (self.version_key(file.version), file.id), reverse=True)


class OldestFirst(Sound):
    """Offers the smallest version first."""

    def offers(self, listing, environment):
        return super().offers(listing, environment)[::-1]


class LastOffered(Sound):
    """Offers what comes last in a listing."""

    def offers(self, listing, environment):
        last = {self.version_key(file.version): file for file in listing.files if file.version}
        return [last[key] for key in sorted(last, reverse=True)]


class TakesAll(Sound):
    """Takes whatever is offered."""

    def candidates(self, requirement, offers):
        return list(offers)


class TakesOldest(Sound):
    """Takes the smallest version first."""

    def candidates(self, requirement, offers):
        return super().candidates(requirement, offers)[::-1]


class LeakySpecifier(Sound):
    """Takes for granted that a specifier is its own."""

    def candidates(self, requirement: Requirement, offers):
        if requirement.specifier:
            re.fullmatch(ALLOWED, requirement.specifier)[1]
        return super().candidates(requirement, offers)


class HearsTheFirst(Sound):
    """Forgets all but the first of several requirements on one package."""

    def common_candidates(self, requirements, offers):
        return self.candidates(requirements[0], offers)


FAULTS = {
    TitledPlace: ["test_environments_have_their_normal_form"],
    AnyPlace: [BAD_PLACES],
    LeakyPlace: [BAD_PLACES, ANY_PLACE],
    Markerless: [COUNT, ANY_TEXT],
    ExtrasAlone: [EXTRAS],
    LeakyNeeds: [ANY_TEXT, EXTRAS],
    NothingOutside: ["test_what_is_kept_states_what_the_inspection_found"],
    LeakyStated: ["test_damaged_documents_state_requirements_or_are_not_known"],
    OffersAll: [ONE_EACH],
    OldestFirst: [ONE_EACH, ALLOWED_ALONE],
    LastOffered: [NOT_YANKED, ORDER],
    TakesAll: [ALLOWED_ALONE, "test_nothing_is_chosen_for_what_is_elsewhere_or_cannot_be_read"],
    TakesOldest: [ALLOWED_ALONE, ANY_SPECIFIER],
    LeakySpecifier: [ANY_SPECIFIER],
    HearsTheFirst: [TOGETHER],
}
__all__ = ["CONTROL", "FAULTS"]
